"""Async stages as a user has them: what each of them sees of its parent, whatever becomes of that afterwards."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from runner.dispatch.requests import Facts
from tests.support.cli import PATIENCE
from tests.support.family_pipeline import CHILD, COLOURS, PARAMETERS, PARENT, PROPERTIES, SECRET, found_family, move_on
from tests.support.offspring import Yard, say, side_by_side, told, until

pytestmark = pytest.mark.alone  # beside others one of three children was an error once, and none of fifteen times alone

LEFT = """\
version: "1"
stages:
  build:
    steps:
      - {name: ask, image: busybox:local, commands: [trigger-task check]}
  check:
    async: true
    steps:
      - {name: look, image: busybox:local, commands: ['until [ -e /proof/left ]; do sleep 0.05; done', exit 4]}
"""


def _shown(parent: Mapping[str, str], children: list[dict[str, str]]) -> None:
    columns = {f"child {number}": child for number, child in enumerate(children, start=1)}
    say(side_by_side({"parent": parent, **columns}))


def test_each_child_sees_what_it_was_handed_and_nothing_else_also_when_it_is_run_again(yard: Yard) -> None:
    found_family(yard, "app")
    run = yard.submit("app", facts=Facts(parameters=PARAMETERS))
    assert yard.ended(run) == "success"
    children = [each["id"] for each in yard.has_children(run, 3)]
    assert [yard.ended(each) for each in children] == ["failure"] * 3

    parent = yard.seen(run, "build", "hand")
    seen = [yard.seen(each, "check", "look") for each in children]
    _shown(parent, seen)

    assert parent == PARENT
    assert seen == [{**CHILD, "value, exported": colour} for colour in COLOURS]

    move_on(yard, "app")
    again = yard.run("rerun", children[1]).out.strip()
    assert yard.ended(again) == "failure"
    assert yard.seen(again, "check", "look") == seen[1]
    shown = yard.run("show", again).out
    assert f"async stage check of run {run}" in shown
    assert f"a rerun of {children[1]}" in shown


def test_children_of_exec_see_the_same_and_so_do_their_reruns(yard: Yard, tmp_path: Path) -> None:
    found_family(yard, "local")
    place = yard.place
    yard.repository("local").git("clone", "--quiet", yard.url("local"), str(place.repo))
    (place.repo / "text").write_text("local, edited\n")
    secret = tmp_path / "login"
    secret.write_text(SECRET)
    secrets = ("--secret", f"login=@{secret}")
    facts = [f"--param={name}={value}" for name, value in PARAMETERS.items()]
    properties = [f"--property={name}={value}" for name, value in PROPERTIES.items()]

    done = place.exec(*facts, *properties, *secrets, "--output", "json", env=yard.variables)

    assert done.code == 1, done.err
    assert done.document["run"]["status"] == "success"
    children = [each["id"] for each in done.document["children"]]
    assert [each["status"] for each in done.document["children"]] == ["failure"] * 3, done.err
    seen = [told(done.printed(f"{child}:check/look")) for child in ("child", "child#2", "child#3")]
    assert told(place.run("logs", children[1], "check/look").out.splitlines()) == seen[1]
    parent = told(done.printed("build/hand"))
    _shown(parent, seen)
    assert parent == PARENT
    assert seen == [{**CHILD, "value, exported": colour} for colour in COLOURS]

    move_on(yard, "local")
    again = place.run("rerun", children[1], *secrets, env=yard.variables)
    assert again.code == 1, again.err
    assert told(again.printed("check/look")) == seen[1]
    shown = place.run("show", place.runs[-1].name).out
    assert f"async stage check of run {done.document['run']['id']}" in shown
    assert f"a rerun of {children[1]}" in shown


def test_exec_need_not_wait_for_its_children(yard: Yard, tmp_path: Path) -> None:
    pipeline = tmp_path / ".vela.yml"
    pipeline.write_text(LEFT)

    done = yard.place.exec("--no-wait", "--output", "json", "--source", tmp_path, pipeline, env=yard.variables)

    assert done.code == 0, done.err
    assert done.seconds < PATIENCE / 2, "whoever reads what it prints waits for its children"
    (child,) = [each["id"] for each in done.document["children"]]
    assert "running" in yard.place.run("show", child).out
    yard.mark("left")
    until(lambda: "failure" in yard.place.run("show", child).out, "the end of the child")
    until(lambda: not any(child in each for each in yard.place.objects()), "an engine without the child")
