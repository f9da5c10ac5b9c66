"""What a step returns, and what it asks for: how the commands leave it, and that the engine reads it."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.pipelinectl import layout
from runner.pipelinectl.returns import Asked, Returned, Wish, returned
from tests.support.returns import MAPPED, STEP, TOLD, left, refused
from tests.support.shim import NOBODY, Shim, fill, small_disk

EVALUATING = {**TOLD, layout.EVALUATES: "1"}
CALLS = [
    "set_return v",
    "set_return ''",
    "set_return --json 1",
    "set_return @file",
    "echo v | set_return -",
    "set_global k v",
    "echo 1 | set_global --json k",
    "set_link k '!a'",
    "pipelinectl skip",
    "pipelinectl pause why",
]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts, and becomes somebody else")


@pytest.mark.parametrize(
    "value", ["", "v", "-n", "--", "a b\nc\n\n", "[1]", "'\"\\", "é\udcff", "*", "$(id)"], ids=repr
)
def test_a_text_is_returned_as_it_is_from_an_argument_a_file_or_standard_input(shim: Shim, value: str) -> None:
    (shim.work / "file").write_bytes(layout.text(value))

    for script in ('set_return "$1"', "set_return @file", "set_return - <file", "pipelinectl set_return @./file"):
        done = shim.run(script, layout.raw(value), environment=TOLD)
        assert (done.status, done.out, done.err) == (0, b"", b"")
        assert shim.left_returns() == {f"m.{STEP}": b"text\n" + layout.raw(value)}
    assert returned(shim.left_returns())[STEP].primary == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"n": 3}', {"n": 3}),
        (' [1, "a\\n", {"b": null}]\n', [1, "a\n", {"b": None}]),
        ('"text"', "text"),
        ("-1.50e1", -15.0),
        ("false", False),
        ("9" * 5000, "9" * 5000),
        ("1e999", "1e999"),
        ("[" * 256 + "]" * 256, None),
    ],
    ids=lambda part: repr(part)[:20],
)
def test_json_keeps_its_type_and_what_the_command_takes_the_engine_reads(shim: Shim, text: str, value: object) -> None:
    (shim.work / "file").write_text(text)

    for script in (f"set_return --json '{text}'", "set_return --json @file", "set_return --json - <file"):
        found = left(shim, f"set_return gone; {script}").primary
        assert found == value if value is not None else isinstance(found, list)


@pytest.mark.parametrize("text", ["{oops", "", "yes", "1 2", "NaN", "'a'", '{"a": 01}', "[1,]", "[" * 257 + "]" * 257])
def test_what_is_not_json_is_refused_and_the_earlier_value_stays(shim: Shim, text: str) -> None:
    (shim.work / "file").write_text(text)
    calls = (f'set_return --json "{text}"', "set_return --json @file", "set_global --json k <file")

    for call in calls:
        done = shim.run(f"set_return first; set_global k first; {call}", environment=TOLD)
        refused(done, 1, b"the value is not JSON")
    assert returned(shim.left_returns())[STEP] == Returned(primary="first", globals={"k": "first"})


def test_json_with_the_character_nul_is_refused_and_its_spelling_is_not(shim: Shim) -> None:
    for text in (r'"\u0000"', r'{"a\u0000": 1}', r'["\\\u0000"]'):
        refused(shim.call("set_return", "--json", text, environment=TOLD), 1, b"the character NUL")
    assert shim.left_returns() == {}

    assert left(shim, r"""set_return --json '"\\u0000 \u0001"'""").primary == "\\u0000 \x01"


def test_the_last_call_of_a_step_counts(shim: Shim) -> None:
    primary = "set_return 1; set_return --json 2; set_return 3"
    others = "set_global k 1; set_global --json k [4]; set_link l 1; set_link l 5"

    assert left(shim, f"{primary}; {others}") == Returned(primary="3", globals={"k": [4]}, links={"l": "5"})


def test_steps_keep_what_they_return_apart(shim: Shim) -> None:
    script = "set_return 1; set_global k 1; pipelinectl skip; RUNNER_STEP=other; set_return 2; set_global k 2"

    assert left(shim, f"export RUNNER_STEP; {script}") == Returned(
        primary="1", globals={"k": "1"}, wish=Wish(asked=Asked.SKIP)
    )
    assert returned(shim.left_returns())["other"] == Returned(primary="2", globals={"k": "2"})


def test_nothing_that_is_returned_stands_among_the_values(shim: Shim) -> None:
    left(shim, "; ".join(call for call in CALLS if "@" not in call))

    assert shim.store() == {}


@pytest.mark.parametrize("key", ["k", "a/b", "é", "k" * 200, "-n", "--json", "a\nb", ",", "~"])
def test_globals_and_links_have_keys_of_any_bytes(shim: Shim, key: str) -> None:
    script = 'set_global --json "$1" 3 && set_link "$1" "!x" && set_global --json other 1'

    assert shim.run(script, key, environment=TOLD).status == 0

    assert returned(shim.left_returns())[STEP] == Returned(globals={key: 3, "other": 1}, links={key: "!x"})


def test_a_global_or_a_link_without_a_value_is_read_from_standard_input(shim: Shim) -> None:
    of_globals = 'echo "a b" | set_global g; echo "[1]" | set_global --json j; set_global e ""'
    of_links = 'printf "!A.x || none" | set_link l'

    assert left(shim, f"{of_globals}; {of_links}") == Returned(
        globals={"g": "a b", "j": [1], "e": ""}, links={"l": "!A.x || none"}
    )


def test_a_global_takes_an_at_sign_and_a_dash_as_they_are(shim: Shim) -> None:
    assert left(shim, "set_global a @file; set_global b -; set_link c @s.x").globals == {"a": "@file", "b": "-"}


@pytest.mark.parametrize(
    ("call", "about"),
    [
        ("set_return", b"an argument is missing (usage: set_return [--json] <value>|@<path>|-)"),
        ("set_return --json", b"an argument is missing"),
        ("set_return a b", b"too many arguments"),
        ("set_global", b"an argument is missing (usage: set_global [--json] <key> [<value>])"),
        ("set_global --json", b"an argument is missing"),
        ("set_global a b c", b"too many arguments"),
        ("set_link", b"an argument is missing (usage: set_link <key> [<reference>])"),
        ("set_link a b c", b"too many arguments"),
        ("pipelinectl skip a b", b"too many arguments (usage: skip [<message>])"),
        ("set_return - <&-", b"standard input is closed"),
        ("set_global k <&-", b"standard input is closed"),
    ],
)
def test_a_wrong_call_says_how_it_is_right(shim: Shim, call: str, about: bytes) -> None:
    refused(shim.run(call, environment=TOLD), 2, about)
    assert shim.left_returns() == {}


@pytest.mark.parametrize(
    ("call", "about"),
    [
        ("set_return @none", b"there is no file 'none'"),
        ("set_return @", b"there is no file ''"),
        ("set_return @.", b"'.' is a directory"),
        ("set_return @nul", b"NUL byte"),
        ("set_return @long", b"the value is too long"),
        ("set_return - <long", b"the value is too long"),
        ("set_global k <long", b"the value is too long"),
        ("set_global '' v", b"the key is empty"),
        ("set_link '' v", b"the key is empty"),
        ('pipelinectl skip "$(head -c 4097 long)"', b"the message has 4097 bytes (it has at most 4096)"),
    ],
)
def test_what_cannot_be_returned_is_refused(shim: Shim, call: str, about: bytes) -> None:
    (shim.work / "nul").write_bytes(b"a\0b")
    (shim.work / "long").write_bytes(b"v" * (layout.LONGEST_VALUE + 1))

    refused(shim.run(call, environment=TOLD), 1, about)
    assert shim.left_returns() == {}


def test_a_value_of_1_mebibyte_is_taken(shim: Shim) -> None:
    longest = b"v" * layout.LONGEST_VALUE

    assert left(shim, "set_return -", stdin=longest).primary == longest.decode()
    assert left(shim, "set_return --json -", stdin=b'"' + longest[2:] + b'"').primary == longest[2:].decode()


def test_a_file_is_read_also_where_standard_input_is_closed(shim: Shim) -> None:
    (shim.work / "file").write_text("v\n")

    assert left(shim, "set_return @file <&-").primary == "v"


def test_standard_input_is_left_alone_where_a_value_is_given(shim: Shim) -> None:
    calls = "set_return v; set_return @file; set_global k v; set_link l v; pipelinectl skip; cat"
    (shim.work / "file").touch()

    assert shim.run(calls, stdin=b"not read", environment=TOLD).out == b"not read"


@pytest.mark.parametrize("asked", Asked)
def test_a_step_asks_with_or_without_a_message(shim: Shim, asked: Asked) -> None:
    assert left(shim, f"pipelinectl {asked}", EVALUATING).wish == Wish(asked=asked)
    assert left(shim, f"pipelinectl {asked} 'for a \"reason\"\nor two'", EVALUATING).wish == Wish(
        asked=asked, message='for a "reason"\nor two'
    )


def test_the_last_of_what_a_step_asks_for_counts(shim: Shim) -> None:
    asked = "pipelinectl skip a; pipelinectl stop b; pipelinectl pause c"

    assert left(shim, asked, EVALUATING).wish == Wish(asked=Asked.PAUSE, message="c")


@pytest.mark.parametrize("evaluates", [{}, {layout.EVALUATES: ""}, {layout.EVALUATES: "0"}])
def test_only_an_evaluation_can_stop(shim: Shim, evaluates: dict[str, str]) -> None:
    refused(
        shim.call("pipelinectl", "stop", "why", environment=TOLD | evaluates),
        1,
        b"stop: only a step of an evaluation can stop a stage",
    )
    assert shim.left_returns() == {}


def test_words_that_scripts_have_commands_for_are_no_programs_of_ours(shim: Shim) -> None:
    assert shim.run("for w in skip stop pause; do command -v $w && echo found; done; :").out == b""


@pytest.mark.parametrize("step", [None, "", "a/b", "a,b", "../x", "s" * 101])
@pytest.mark.parametrize("call", CALLS)
def test_without_a_step_nothing_is_returned(shim: Shim, call: str, step: str | None) -> None:
    (shim.work / "file").touch()

    refused(shim.run(call, environment={} if step is None else {layout.STEP: step}), 3, b"RUNNER_STEP names no step")
    assert shim.left_returns() == {}


@pytest.mark.parametrize("call", CALLS)
def test_a_directory_that_is_not_there_is_named(shim: Shim, call: str) -> None:
    (shim.work / "file").touch()

    done = shim.run(call, environment={**TOLD, "RUNNER_RETURNS": "/nowhere/returns"})

    refused(done, 3, b"there is no directory /nowhere/returns")


@needs_root
def test_a_full_disk_is_said_and_nothing_is_left(shim: Shim) -> None:
    (shim.work / "file").write_text("v")
    with small_disk(shim.returns):
        fill(shim.returns)
        before = shim.left_returns()
        for call in CALLS:
            refused(shim.run(call, environment=TOLD), 3, b"its disk is full")
            assert shim.left_returns() == before, call


@needs_root
@pytest.mark.parametrize("call", CALLS)
def test_returns_that_cannot_be_written_are_named(shim: Shim, call: str) -> None:
    (shim.work / "file").touch()
    shim.returns.chmod(0o555)

    refused(shim.run(call, environment=TOLD, user=NOBODY), 3, f"cannot write to {shim.returns} ".encode())


@pytest.mark.parametrize(
    ("call", "name"),
    [("set_return v", "m."), ("set_global k v", "g."), ("set_link k v", "l."), ("pipelinectl skip", "w.")],
)
def test_a_directory_at_the_place_of_a_return_is_named_and_nothing_goes_into_it(
    shim: Shim, call: str, name: str
) -> None:
    planted = shim.returns / (f"{name}{STEP},k" if name in "g.l." else f"{name}{STEP}")
    planted.mkdir()

    refused(shim.run(call, environment=TOLD), 3, b"is no file")
    assert list(planted.iterdir()) == []


def test_an_interrupted_call_leaves_nothing(shim: Shim) -> None:
    interrupted = "{ echo begun; sleep 0.5; } | set_return - & sleep 0.2; kill -TERM $!; wait $! || echo $?"

    assert shim.run(interrupted, environment=TOLD).out == b"143\n"
    assert shim.left_returns() == {}


@needs_root
def test_any_user_returns_and_changes_what_another_has_returned(shim: Shim) -> None:
    script = 'umask 077; set_return "$1"; set_global k "$1"; set_link k "$1"; pipelinectl skip "$1"; set_env k "$1"'

    for user in (0, NOBODY, 1000):
        assert shim.run(script, str(user), environment=MAPPED, user=user).status == 0
        text = str(user)
        wish = Wish(asked=Asked.SKIP, message=text)
        assert returned(shim.left_returns())[STEP] == Returned(
            primary=text, named={"k": text}, globals={"k": text}, links={"k": text}, wish=wish
        )
    assert {path.stat().st_mode & 0o777 for path in shim.returns.iterdir()} == {0o666}


def test_a_reader_never_sees_half_a_return(shim: Shim) -> None:
    race = """
        a=$(head -c 60000 /dev/zero | tr '\\0' a) b=$(head -c 60000 /dev/zero | tr '\\0' b)
        leave() { set_env k "$1"; set_return "$1"; }
        leave "$a"
        (i=0; while [ $i -lt 15 ]; do leave "$b"; leave "$a"; i=$((i + 1)); done) &
        i=0; while [ $i -lt 60 ]; do
            for f in "m.$RUNNER_STEP" "o.$RUNNER_STEP,k"; do
                case $(cat "$RUNNER_RETURNS/$f") in "text\n$a" | "text\n$b" | "$a" | "$b") ;; *) echo torn ;; esac
            done
            i=$((i + 1))
        done; wait
    """.replace("\\n", "\n")

    done = shim.run(race, environment=MAPPED)

    assert (done.status, done.out, done.err) == (0, b"", b"")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20),
)
def test_whatever_is_returned_the_engine_reads(shim: Shim, value: str, key: str) -> None:
    for path in shim.returns.iterdir():
        path.unlink()
    script = 'set_return -; set_env "$1" "$2"; set_global "$1" "$2"; set_link "$1" "$2"'

    done = shim.run(script, key, value, stdin=layout.text(value), environment=MAPPED)

    assert (done.status, done.err) == (0, b"")
    found = returned(shim.left_returns())[STEP]
    assert found == Returned(primary=value, named={key: value}, globals={key: value}, links={key: value})
