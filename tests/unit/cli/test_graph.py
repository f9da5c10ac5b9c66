import re
import sys
from pathlib import Path

import pytest

from runner.cli import app
from runner.cli.graph import GraphFormat, draw
from runner.naming import ORIGINS, SERVICES
from runner.plan.model import Fork, Plan, Pruned, Stage
from tests.support.plans import service, stage, step

PLAN = Plan(
    dialect="vela",
    services=(service("db", image="postgres:16"),),
    origins=(step("vault", image="secrets"),),
    stages=(
        stage("build", step("make", image="gcc"), step("watch", image="tail", detach=True)),
        stage("lint", step("ruff", image="python"), independent=True),
        stage("test", step("unit", image="gcc"), needs=("build", "lint")),
    ),
    pruned=(
        Pruned(stage="test", step="nightly", why="event 'push' does not match 'schedule'"),
        Pruned(stage="deploy", step="ship", why="branch 'main' does not match 'release'"),
        Pruned(stage="deploy", step="", why="none of its steps is left"),
        Pruned(stage="docs", step="", why="there is no tag to match 'v*'"),
        Pruned(stage=SERVICES, step="cache", why="eval 'false' is false"),
        Pruned(stage=ORIGINS, step="old", why="eval 'false' is false"),
    ),
)
TEXT = """\
services
├─ db: postgres:16
└┄ cache (left out: eval 'false' is false)
plugins that fetch secrets
├─ vault: secrets
└┄ old (left out: eval 'false' is false)
level 1
├─ build
│  ├─ make: gcc
│  └─ watch: tail (detached)
└─ lint (independent)
   └─ ruff: python
level 2
└─ test ← build, lint
   ├─ unit: gcc
   └┄ nightly (left out: event 'push' does not match 'schedule')
left out
├┄ deploy (left out: none of its steps is left)
│  └┄ ship (left out: branch 'main' does not match 'release')
└┄ docs (left out: there is no tag to match 'v*')"""
DOT = """\
digraph pipeline {
  rankdir=LR
  node [shape=box]
  service1 [label="db: postgres:16\\l", shape=cylinder]
  service2 [label="cache (left out: eval 'false' is false)\\l", shape=cylinder, style=dashed]
  plugin1 [label="vault: secrets\\l"]
  plugin2 [label="old (left out: eval 'false' is false)\\l", style=dashed]
  stage1 [label="build\\lmake: gcc\\lwatch: tail (detached)\\l"]
  stage2 [label="lint (independent)\\lruff: python\\l"]
  stage3 [label="test\\lunit: gcc\\lnightly (left out: event 'push' does not match 'schedule')\\l"]
  left1 [label="deploy (left out: none of its steps is left)\\lship (left out: branch 'main' does not match 'release')\\l", style=dashed]
  left2 [label="docs (left out: there is no tag to match 'v*')\\l", style=dashed]
  stage1 -> stage3
  stage2 -> stage3
}"""  # noqa: E501 - one line a node
MERMAID = """\
flowchart LR
  service1[("db: postgres:16")]
  service2[("cache (left out: eval 'false' is false)")]
  plugin1["vault: secrets"]
  plugin2["old (left out: eval 'false' is false)"]
  stage1["build<br/>make: gcc<br/>watch: tail (detached)"]
  stage2["lint (independent)<br/>ruff: python"]
  stage3["test<br/>unit: gcc<br/>nightly (left out: event 'push' does not match 'schedule')"]
  left1["deploy (left out: none of its steps is left)<br/>ship (left out: branch 'main' does not match 'release')"]
  left2["docs (left out: there is no tag to match 'v#42;')"]
  stage1 --> stage3
  stage2 --> stage3
  classDef dashed stroke-dasharray: 5 5
  class service2,plugin2,left1,left2 dashed"""
HOSTILE = (
    '"]; x --> y',
    'a" [label="gone"]',
    "back\\slash\\",
    "<b>bold</b>&amp;#59;",
    "1. list",
    "2) list",
    "- list",
    "_it_ **bold** `code`",
    "end",
    "subgraph",
    "${X} %% comment",
    "|pipe| {brace} (paren) ~wave~",
    "日本 grün",
    "x" * 200,
)
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
FILE = """\
version: "1"
stages:
  build: {steps: [{name: make, image: gcc}]}
  test: {needs: [build], steps: [{name: unit, image: gcc}], colour: red}
"""


def _hostile(name: str) -> Plan:
    other = stage("other", step(name, image=name), needs=(name,))
    gone = (Pruned(stage=name + "!", step="", why=name), Pruned(stage="other", step=name, why=name))
    return Plan(
        dialect="vela", services=(service(name, image=name),), stages=(stage(name, step("s")), other), pruned=gone
    )


def _wide(count: int) -> Plan:
    first = stage("first", step("s"))
    middle = tuple(stage(f"m{number}", step("s"), needs=("first",)) for number in range(count))
    return Plan(dialect="vela", stages=(first, *middle, stage("last", step("s"), needs=tuple(s.name for s in middle))))


@pytest.mark.parametrize(
    ("form", "expected"), [(GraphFormat.TEXT, TEXT), (GraphFormat.DOT, DOT), (GraphFormat.MERMAID, MERMAID)]
)
def test_a_plan_is_drawn_with_needs_services_and_what_is_left_out(form: GraphFormat, expected: str) -> None:
    assert draw(PLAN, form) == expected


def test_a_terminal_without_unicode_gets_ascii() -> None:
    drawn = draw(PLAN, GraphFormat.TEXT, encoding="ascii")

    assert drawn.isascii()
    assert "|- build\n|  |- make: gcc\n|  `- watch: tail (detached)\n" in drawn
    assert "`- test <- build, lint\n" in drawn
    assert "   `. nightly (" in drawn


def test_stages_of_a_level_wait_for_levels_above_only_wherever_they_stand_in_the_file() -> None:
    plan = Plan(
        dialect="vela",
        stages=(
            stage("d", step("s"), needs=("b", "c")),
            stage("b", step("s"), needs=("a",)),
            stage("c", step("s")),
            stage("a", step("s")),
        ),
    )

    levels = re.split(r"level \d+\n", draw(plan, GraphFormat.TEXT))[1:]

    names = [re.findall(r"^.─ (\w)", level, re.MULTILINE) for level in levels]
    assert names == [["c", "a"], ["b"], ["d"]]


def test_thirty_stages_side_by_side_are_one_level() -> None:
    plan = _wide(30)

    lines = draw(plan, GraphFormat.TEXT).splitlines()
    assert [line for line in lines if line.startswith("level")] == ["level 1", "level 2", "level 3"]
    assert sum(line.endswith("← first") for line in lines) == 30
    assert len(re.findall(" -> ", draw(plan, GraphFormat.DOT))) == 60
    assert len(re.findall(" --> ", draw(plan, GraphFormat.MERMAID))) == 60


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_stays_inside_of_its_label_in_dot(name: str) -> None:
    lines = draw(_hostile(name), GraphFormat.DOT).splitlines()

    assert lines[-2:] == ["  stage1 -> stage2", "}"]
    for line in lines[3:-2]:
        bare = QUOTED.sub('""', line)
        assert re.fullmatch(r'  [a-z]+\d \[label=""(, shape=cylinder)?(, style=dashed)?\]', bare), line
    first = QUOTED.findall(lines[4])[0]
    assert first.split("\\l")[0] in (name.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;"), "back\\\\s")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_stays_inside_of_its_label_in_mermaid(name: str) -> None:
    lines = draw(_hostile(name), GraphFormat.MERMAID).splitlines()

    assert "  stage1 --> stage2" in lines
    labels = [line for line in lines if '"' in line]
    assert len(labels) == 4
    for line in labels:
        assert re.fullmatch(r'  [a-z]+\d(\[\("[^"`<>]*"\)\]|\["([^"`<>]|<br/>)*"\])', line), line
    shown = labels[1].partition('"')[2].partition("<br/>")[0]
    assert re.sub(r"#(\d+);", lambda found: chr(int(found[1])), shown) == name


@pytest.mark.parametrize(
    ("name", "label"), [("1. list", "1#46; list"), ("2) list", "2#41; list"), ("- list", "#45; list"), ("1.2", "1.2")]
)
def test_what_markdown_takes_for_a_list_is_written_as_codes(name: str, label: str) -> None:
    assert f'stage1["{label}<br/>' in draw(_hostile(name), GraphFormat.MERMAID)


@pytest.mark.parametrize("form", GraphFormat)
def test_a_line_cannot_be_broken_from_inside(form: GraphFormat) -> None:
    plain = draw(_hostile("name"), form)
    broken = draw(_hostile("na\nme\x1b[2J\u2028"), form)

    assert len(broken.splitlines()) == len(plain.splitlines())
    assert "\x1b" not in broken


def test_of_two_stages_with_one_name_each_has_its_own_steps() -> None:
    plan = Plan(
        dialect="vela",
        stages=(stage("build", step("a", image="i")),),
        pruned=(Pruned(stage="build", step="b", why="no"), Pruned(stage="build", step="", why="none")),
    )

    assert draw(plan, GraphFormat.TEXT).splitlines() == [
        *("level 1", "└─ build", "   └─ a: i"),
        *("left out", "└┄ build (left out: none)", "   └┄ b (left out: no)"),
    ]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (GraphFormat.TEXT, "nothing to run"),
        (GraphFormat.DOT, "digraph pipeline {\n  rankdir=LR\n  node [shape=box]\n}"),
        (GraphFormat.MERMAID, "flowchart LR"),
    ],
)
def test_a_plan_of_nothing_is_drawn_as_nothing(form: GraphFormat, expected: str) -> None:
    assert draw(Plan(dialect="vela", stages=()), form) == expected


def test_a_stage_without_steps_is_drawn(tmp_path: Path) -> None:
    plan = Plan(dialect="vela", stages=(Stage(name="empty", steps=()),))

    assert draw(plan, GraphFormat.TEXT) == "level 1\n└─ empty"


def _compile(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["runner", "compile", *map(str, arguments)])
    return app.run()


def test_compile_writes_the_graph_to_stdout_and_all_else_to_stderr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "p.yml"
    file.write_text(FILE)

    assert _compile(monkeypatch, file, "--graph", "dot") == 0

    out, err = capsys.readouterr()
    assert out.startswith("digraph pipeline {\n")
    assert out.endswith("  stage1 -> stage2\n}\n")
    assert err.startswith(f"{file}: event push")
    assert "warning: stage 'test' has no key 'colour'" in err


@pytest.mark.parametrize("output", ["json", "events"])
def test_a_graph_and_another_output_exclude_each_other(
    output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "p.yml"
    file.write_text(FILE)

    assert _compile(monkeypatch, file, "--graph", "text", "--output", output) == 2
    assert "exclude each other" in capsys.readouterr().err


FORKS = Plan(
    dialect="vela",
    mapped=True,
    stages=(
        stage("discover", step("list")),
        stage(
            "each",
            step("changed", image="git", evaluates=True),
            step("build", image="!{registry}/gcc", detach=True),
            needs=("discover",),
            fork=Fork(values="!discover.globals.list", stages=("test", "inner", "deep"), limit=4),
        ),
        stage("test", step("unit"), needs=("each",), independent=True),
        stage("inner", step("s"), needs=("each",), fork=Fork(values=[1, {"k": "grün"}], stages=("deep",))),
        stage("deep", step("s"), needs=("inner",)),
        stage("all", step("report"), needs=("test", "deep")),
        stage("matrix", step("s"), fork=Fork(values=["x" * 200])),
        stage("end", step("s"), needs=("matrix", "all")),
    ),
)


def test_forks_say_over_what_and_others_in_whose_branches_they_are_or_what_they_join() -> None:
    drawn = draw(FORKS, GraphFormat.TEXT)

    assert "├─ each (fork over !discover.globals.list (4 at a time)) ← discover\n" in drawn.replace(
        "└─ each", "├─ each"
    )
    assert "test (independent; in each branch of each) ← each\n" in drawn
    assert 'inner (fork over [1, {"k": "grün"}]; in each branch of each) ← each\n' in drawn
    assert "deep (in each branch of inner) ← inner\n" in drawn
    assert "all (joins each, inner) ← test, deep\n" in drawn
    assert "end (joins matrix) ← matrix, all\n" in drawn
    assert "changed: git (decides)\n" in drawn
    assert "build: !{registry}/gcc (detached)\n" in drawn


def test_a_long_list_of_values_is_cut() -> None:
    (line,) = (line for line in draw(FORKS, GraphFormat.TEXT).splitlines() if "matrix (fork" in line)

    assert line.endswith("xxx...)")
    assert len(line) < 120


def test_values_of_a_fork_cannot_move_the_cursor() -> None:
    plan = Plan(dialect="vela", mapped=True, stages=(stage("a", step("s"), fork=Fork(values="b\x1b[2J")),))

    assert "a (fork over b\\x1b[2J)" in draw(plan, GraphFormat.TEXT)


@pytest.mark.parametrize("form", [GraphFormat.DOT, GraphFormat.MERMAID])
def test_forks_stand_in_every_drawing(form: GraphFormat) -> None:
    drawn = draw(FORKS, form)

    assert "in each branch of inner" in drawn
    assert "joins each, inner" in drawn
    assert "(decides)" in drawn
