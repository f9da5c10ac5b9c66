"""The webhook behind async stages: made at first use, rotated while runs go on, and open to whoever has its token."""

import json

import httpx
import pytest

from runner.api.bodies import MOST_BYTES
from runner.dispatch.hooks import HEADER, SECRET
from runner.dispatch.offspring import HOOK
from tests.support.offspring import Yard, commit

PIPELINE = """\
version: "1"
stages:
  build:
    steps:
      - name: trigger
        image: busybox:local
        commands:
          - set_env colour red
          - export_env colour
          - save_artifact image name=registry.example.test/app:1
          - . ./repository.sh
          - trigger-task check
          - 'until [ -e /proof/removed ]; do sleep 0.05; done'
          - trigger-task check
          - 'until [ -e /proof/rotated ]; do sleep 0.05; done'
          - trigger-task check
  check:
    async: true
    steps:
      - name: look
        image: busybox:local
        commands:
          - echo "colour = $(get_env colour none)"
          - echo "region = $(get_env region none)"
          - echo "channel = $(get_env channel none)"
          - echo "artifact = $(load_artifact image name || echo none)"
          - echo "lib = $(cat "$WORKSPACE/lib/text" || echo none)"
          - echo "payload = $(cat "$TRIGGER_PAYLOAD_PATH")"
"""
STATE = {
    "colour": "red",
    "region": "eu",
    "channel": "none",
    "artifact": "registry.example.test/app:1",
    "lib": "lib, first",
}
GARBAGE = [b"", b"{", b"[]", b'{"version": 2, "stage": "check"}', b'{"version": 1}', b'{"version": 1, "stage": "../x"}']


@pytest.fixture(scope="module")
def run(yard: Yard) -> str:
    """Give a run of the pipeline that has started its first async stage, and waits to start more."""
    lib = commit(yard.repository("shop-lib"), {"text": "lib, first\n"})
    commit(yard.repository("shop-lib"), {"text": "lib, second\n"})
    repository = f"save_repo lib url={yard.url('shop-lib')} commit={lib} path=lib\n"
    yard.register("shop", {".vela.yml": PIPELINE, "repository.sh": repository})
    yard.client.set_property("shop", "region", "eu")
    assert yard.client.hooks("shop") == ()
    found = yard.submit("shop")
    yard.has_children(found)
    return found


def _posted(yard: Yard, body: bytes | str, token: str | None, pipeline: str = "shop") -> httpx.Response:
    headers = {"Content-Type": "application/json", **({} if token is None else {HEADER: token})}
    return httpx.post(f"{yard.address}/hooks/{pipeline}/async-stage", content=body, headers=headers)


def _look(yard: Yard, run: str) -> dict[str, str]:
    assert yard.ended(run) == "success", yard.run("show", run).out
    return yard.seen(run, "check", "look")


def test_the_hook_is_made_once_and_opens_to_whoever_has_the_token_of_now(yard: Yard, run: str) -> None:
    first = yard.children(run)[0]["id"]
    (made,) = yard.client.hooks("shop")
    assert (made.name, made.header, made.secret, made.rotated) == (HOOK, HEADER, SECRET, None)
    assert SECRET in yard.client.pipeline("shop").secrets

    yard.client.remove_secret("shop", SECRET)
    yard.mark("removed")
    yard.has_children(run, 2)
    assert SECRET in yard.client.pipeline("shop").secrets
    assert yard.client.hooks("shop") == (made,)

    token = yard.run("hooks", "rotate", "shop").out.strip()
    yard.client.set_parameter("shop", "channel", "posted")
    yard.mark("rotated")
    last = yard.has_children(run, 3)[2]["id"]
    assert yard.ended(run) == "success"
    seen = _look(yard, first)
    assert {thing: seen[thing] for thing in STATE} == STATE
    assert _look(yard, last)["channel"] == "posted"
    listed = yard.run("hooks", "list").out
    assert "/hooks/shop/async-stage" in listed
    assert "channel=posted" in listed
    assert token not in listed

    again = _posted(yard, seen["payload"], token)
    assert again.status_code == 201, again.text
    child = again.json()["id"]
    assert _look(yard, child) == {**seen, "channel": "posted"}
    assert child in [each["id"] for each in yard.children(run)]

    newer = yard.client.rotate_hook("shop")
    assert _posted(yard, seen["payload"], token).status_code == 401
    mine = {"version": 1, "stage": "check", "env": {"colour": "mine"}}
    alone = _posted(yard, json.dumps(mine), newer)
    assert alone.status_code == 201, alone.text
    own = _look(yard, alone.json()["id"])
    assert (own["colour"], own["region"], own["artifact"], own["lib"]) == ("mine", "eu", "none", "none")
    assert yard.client.summary(alone.json()["id"]).parent == ""


@pytest.mark.usefixtures("run")
def test_nobody_else_starts_anything_and_what_is_no_payload_is_told(yard: Yard) -> None:
    body = b'{"version": 1, "stage": "check"}'
    token = yard.client.rotate_hook("shop")
    known = len(yard.client.runs())

    refused = [
        _posted(yard, body, "x" * len(token)),
        _posted(yard, body, None),
        _posted(yard, body, token, pipeline="unknown"),
    ]
    assert {(answer.status_code, answer.text) for answer in refused} == {(401, refused[0].text)}

    assert _posted(yard, b"x" * (MOST_BYTES + 1), token).status_code == 413
    for garbage in GARBAGE:
        answer = _posted(yard, garbage, token)
        assert 400 <= answer.status_code < 500, answer.text
        assert answer.json()["error"]["message"], answer.text
    unknown = _posted(yard, b'{"version": 1, "stage": "absent"}', token)
    assert unknown.status_code == 404
    assert "check" in unknown.text
    assert len(yard.client.runs()) == known
    assert _posted(yard, body, token).status_code == 201
