import re
from dataclasses import replace
from pathlib import Path

import pytest

from runner.plan import codec
from tests.support.api_stand import answer, failure
from tests.support.remote import Remote
from tests.support.services import HOOK, HOOK_TOKEN

ROTATE = "POST /pipelines/org/shop/hooks/rotate"
OF_SHOP = "GET /pipelines/org/shop/hooks"


def _accepts(remote: Remote, *requests: str) -> None:
    for request in requests:
        remote.stand.on(request, lambda handler: handler.send(204, "text/plain"))


def _asked(remote: Remote) -> list[tuple[str, object]]:
    return [(str(asked), asked.body) for asked in remote.stand.asked]


def _rotates(remote: Remote, token: str = HOOK_TOKEN) -> None:
    remote.stand.on(ROTATE, answer({"token": token}))
    remote.stand.on(OF_SHOP, answer({"hooks": [codec.encode(HOOK)]}))


def test_hooks_are_a_table(remote: Remote) -> None:
    other = replace(HOOK, pipeline="a", path="/hooks/a/async-stage", rotated="2026-01-01T12:00:00+00:00", parameters={})
    remote.stand.on("GET /hooks", answer({"hooks": [codec.encode(each) for each in (other, HOOK)]}))

    assert remote.call("hooks", "list") == 0

    assert [re.split(r"\s{2,}", line) for line in remote.out.splitlines()] == [
        ["PIPELINE", "HOOK", "PATH", "TOKEN FROM", "PARAMETERS"],
        ["a", HOOK.name, "/hooks/a/async-stage", "2026-01-01 12:00:00 UTC", "-"],
        ["org/shop", HOOK.name, "/hooks/org%2Fshop/async-stage", "2025-01-01 00:00:00 UTC", "a=b"],
    ]


def test_json_has_all_that_is_known_of_the_hooks_of_one_pipeline(remote: Remote) -> None:
    remote.stand.on(OF_SHOP, answer({"hooks": [codec.encode(HOOK)]}))

    assert remote.call("hooks", "list", "org/shop", "--output", "json") == 0

    assert remote.document == {"hooks": [codec.encode(HOOK)]}


@pytest.mark.parametrize(
    ("arguments", "said"), [((), "there are no hooks\n"), (("org/shop",), "pipeline org/shop has no hooks\n")]
)
def test_it_is_said_when_there_are_none(remote: Remote, arguments: tuple[str, ...], said: str) -> None:
    for request in ("GET /hooks", OF_SHOP):
        remote.stand.on(request, answer({"hooks": []}))

    assert remote.call("hooks", "list", *arguments) == 0

    assert remote.out == said


def test_a_list_has_no_events(remote: Remote) -> None:
    assert remote.call("hooks", "list", "--output", "events") == 2


def test_without_a_word_the_help_is_shown(remote: Remote) -> None:
    assert remote.call("hooks") == 2

    assert "rotate" in remote.out + remote.err
    assert remote.stand.asked == []


def test_a_new_token_stands_alone_on_stdout_and_what_it_is_for_beside_it(remote: Remote) -> None:
    _rotates(remote)

    assert remote.call("hooks", "rotate", "org/shop") == 0

    assert remote.stand.bodies(ROTATE) == [{"token": ""}]
    assert remote.out == f"{HOOK_TOKEN}\n"
    assert remote.err == (
        "the token of 'Subpipeline Webhook Trigger': "
        "send it as x-async-stage-token with POST /hooks/org%2Fshop/async-stage\n"
    )


def test_a_token_can_be_taken_from_a_file(remote: Remote, tmp_path: Path) -> None:
    _rotates(remote, "n" * 32)
    (tmp_path / "token").write_text("n" * 32 + "\n")

    assert remote.call("hooks", "rotate", "org/shop", "--token", f"@{tmp_path}/token") == 0

    assert remote.stand.bodies(ROTATE) == [{"token": "n" * 32}]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("n" * 32, "a token on a command line is seen by everyone"),
        ("@{0}/gone", "No such file or directory"),
        ("@{0}/empty", "the file is empty"),
        ("@{0}/latin", "this is not UTF-8"),
    ],
)
def test_a_token_that_cannot_be_taken_changes_nothing_and_is_not_shown(
    remote: Remote, tmp_path: Path, given: str, said: str
) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "latin").write_bytes(b"\xfc" * 40)

    assert remote.call("hooks", "rotate", "org/shop", "--token", given.format(tmp_path)) == 2

    assert said in remote.err
    assert "nnnn" not in remote.err
    assert remote.stand.asked == []


def test_a_hook_that_is_not_there_cannot_be_rotated(remote: Remote) -> None:
    remote.stand.on(ROTATE, failure(404, "pipeline org/shop has no hook", hint="one is made later"))

    assert remote.call("hooks", "rotate", "org/shop") == 2

    assert (remote.out, remote.err) == ("", "runner: pipeline org/shop has no hook\n        one is made later\n")


def test_parameters_are_set_each_by_itself(remote: Remote) -> None:
    _accepts(remote, *(f"PUT /pipelines/org/shop/hooks/parameters/{name}" for name in "ab"))

    assert remote.call("hooks", "set", "org/shop", "a=1", "b=x=y") == 0

    assert _asked(remote) == [
        ("PUT /pipelines/org/shop/hooks/parameters/a", {"value": "1"}),
        ("PUT /pipelines/org/shop/hooks/parameters/b", {"value": "x=y"}),
    ]


def test_what_is_no_assignment_is_refused_before_anything_is_set(remote: Remote) -> None:
    assert remote.call("hooks", "set", "shop", "b=2", "a") == 2

    assert "not an assignment" in remote.err
    assert remote.stand.asked == []


def test_parameters_are_removed(remote: Remote) -> None:
    _accepts(remote, "DELETE /pipelines/shop/hooks/parameters/a")
    remote.stand.on("DELETE /pipelines/shop/hooks/parameters/b", failure(404, "no parameter 'b'"))

    assert remote.call("hooks", "remove", "shop", "a", "b") == 2

    assert [request for request, _ in _asked(remote)] == [
        "DELETE /pipelines/shop/hooks/parameters/a",
        "DELETE /pipelines/shop/hooks/parameters/b",
    ]
    assert remote.err == "runner: no parameter 'b'\n"
