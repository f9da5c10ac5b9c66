import pytest

from runner.backends.behaviour import Behaviour


def test_a_step_that_is_told_nothing_succeeds_at_once() -> None:
    assert Behaviour.of({}) == Behaviour()


def test_every_variable_is_understood() -> None:
    variables = {
        "FAKE_EXIT": "3",
        "FAKE_SECONDS": "0.5",
        "FAKE_PRINT": "text",
        "FAKE_HANG": "",
        "FAKE_IGNORE_TERM": "",
        "FAKE_VANISH": "2",
        "FAKE_OOM": "",
        "FAKE_DROP_STREAM": "",
        "FAKE_OUTPUT": "A=1",
        "FAKE_MASKED_OUTPUT": "B=2",
        "FAKE_BASE64_OUTPUT": "C=3",
        "FAKE_MASKED_BASE64_OUTPUT": "D=4",
        "FAKE_SET_ENV": "a/b=x=y",
        "FAKE_SAVE_FILE": "c=text",
        "FAKE_FILES": "a/b:c",
        "FAKE_EXPORT_ENV": "a/b:k",
        "FAKE_SAVE_REPO": "app url=https://h/o/app?a=b commit=c",
        "FAKE_SAVE_ARTIFACT": "image",
        "FAKE_TRIGGER": "check:scan",
        "FAKE_SET_RETURN": "[1]",
        "FAKE_SET_GLOBAL": "g/h=a=b",
        "FAKE_SET_LINK": "l=!s.x",
        "FAKE_WISH": "stop:why: so",
        "RUNNER_STEP": "me",
        "RUNNER_MAPPED": "1",
        "FAKE_READY_AFTER": "2",
        "FAKE_UNHEALTHY": "no disk",
    }

    assert Behaviour.of(variables) == Behaviour(
        exit_code=3,
        seconds=0.5,
        text="text",
        hang=True,
        ignore_term=True,
        vanish=2,
        oom=True,
        drop_stream=True,
        outputs={".env": "A=1", "masked.env": "B=2", "base64.env": "C=3", "masked.base64.env": "D=4"},
        values={
            "e.a%2Fb": b"x=y\n",
            "f.c": b"text",
            "x.a%2Fb": b"",
            "x.k": b"",
            "r.app": b"",
            "r.app,url": b"https://h/o/app?a=b\n",
            "r.app,commit": b"c\n",
            "a.image": b"",
        },
        files=("a/b", "c"),
        triggers=("check", "scan"),
        returns={
            "m.me": b"json\n[1]",
            "w.me": b"stop\nwhy: so\n",
            "g.me,g%2Fh": b"text\na=b",
            "l.me,l": b"!s.x\n",
            "o.me,a%2Fb": b"x=y\n",
        },
        ready_after=2.0,
        unhealthy="no disk",
    )


@pytest.mark.parametrize("name", ["FAKE_EXIT", "FAKE_SECONDS", "FAKE_READY_AFTER", "FAKE_VANISH"])
def test_a_number_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="many"):
        Behaviour.of({name: "many"})


@pytest.mark.parametrize(
    ("value", "content"), [("null", b"json\nnull"), ('"x"', b'json\n"x"'), ("x y", b"text\nx y"), ("", b"text\n")]
)
def test_what_is_returned_is_json_or_else_a_text(value: str, content: bytes) -> None:
    told = {"RUNNER_STEP": "me", "FAKE_SET_RETURN": value, "FAKE_SET_GLOBAL": f"k={value}"}

    assert Behaviour.of(told).returns == {"m.me": content, "g.me,k": content}


def test_a_value_is_a_named_return_only_where_these_are_wanted() -> None:
    assert Behaviour.of({"RUNNER_STEP": "me", "FAKE_SET_ENV": "k=v"}).returns == {}


@pytest.mark.parametrize("told", [{"FAKE_SET_RETURN": "1"}, {"FAKE_WISH": "skip", "RUNNER_STEP": ""}])
def test_a_step_that_is_not_told_its_name_cannot_return_anything(told: dict[str, str]) -> None:
    assert Behaviour.of(told).nameless


def test_a_step_that_returns_nothing_needs_no_name() -> None:
    assert not Behaviour.of({"FAKE_SET_ENV": "k=v", "RUNNER_MAPPED": "0"}).nameless


def test_the_key_of_a_long_name_is_left_beside_it() -> None:
    left = Behaviour.of({"RUNNER_STEP": "me", "FAKE_SET_GLOBAL": f"{'k' * 200}=1"}).returns

    assert sorted(name[:2] for name in left) == ["g.", "k."]
    assert b"k" * 200 in left.values()
