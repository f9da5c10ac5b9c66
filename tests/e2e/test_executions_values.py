"""What steps return reaches other steps byte for byte, lists of any length are forked over, and secrets are masked."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.errors import ExitCode
from tests.support.cli import Finished, Place, place_in
from tests.support.standing_daemon import daemon_in

ODD = [
    """it's "quoted" \\ and `id` $(id) ${HOME} $HOME""",
    "two\nlines, and an end\n\n",
    "\u00fcn\u00ef \u2192 \U0001f41a \u0085 \u2028",
    "!nope || @x || #y, !{nope}, \\!{z}",
    " -n \t* ",
    {"a": [1, None, {"b'": 'q"q\n'}], "1.50": 1.5, "empty": ""},
    True,
    12345678901234567890,
]
"""Values of a fork, and what a step must find in its environment: a text as it is, anything else as JSON."""

LISTS = """\
pipelines:
  - id: make
    steps:
      - id: none
        image: busybox:local
        commands: ["set_return --json '[]'"]
      - id: one
        image: busybox:local
        commands: ["set_return --json '[\\"only\\"]'"]
      - id: many
        image: busybox:local
        commands: ['printf "[%s0]" "$(seq -s , 1 9999 | tr -d "\\n")," > list', set_return --json @list]
      - id: odd
        image: busybox:local
        commands: [set_return --json @odd.json]
  - id: show
    steps:
      - id: s
        image: busybox:local
        environment: {VALUE: "!executionForkValue"}
        commands: ['printf %s "$VALUE" | base64 | tr -d "\\n"; echo']
  - id: all
    steps:
      - id: s
        image: busybox:local
        environment: {ALL: "!branches"}
        commands: ['printf %s "$ALL" | base64 | tr -d "\\n"; echo']
executions:
  - {id: MAKE, pipelineIds: [make]}
"""
_BRANCHES = """\
  - id: {name}
    parents: [MAKE]
    executionType: fork
    forkByValue: MAKE.pipelineParameters.make.{list}.primaryReturn
    pipelineIds: [show]
  - id: {name}_JOIN
    parents: [{name}]
    executionType: join
    globals: {{GlobalLinks: {{branches: "!{name}.pipelineParameters"}}}}
    pipelineIds: [all]
"""

TOKEN = 's3cr3t-"Tok/en+value'
SECRETS = """\
version: "1"
secrets: [{name: token}]
links: {told: "!first.pipelineParameters.steps.tell.primaryReturn"}
stages:
  first:
    steps:
      - name: tell
        image: busybox:local
        secrets: [{source: token, target: TOKEN}]
        commands:
          - set_return "$TOKEN"
          - set_env COPY "$TOKEN"
      - name: list
        image: busybox:local
        secrets: [{source: token, target: TOKEN}]
        commands:
          - escaped=$(printf %s "$TOKEN" | sed 's/"/\\\\"/g')
          - set_return --json "[\\"$escaped\\", {\\"deep\\":\\"it is $escaped, is it\\"}]"
  second:
    needs: first
    steps:
      - name: prints
        image: busybox:local
        environment:
          WORD: !told
          LIST: "!first.pipelineParameters.steps.list.primaryReturn"
          COPY: "so !{first.pipelineParameters.steps.tell.namedReturns.COPY}"
        commands: ['echo "$WORD"', 'echo "$LIST"', 'echo "$COPY"', 'echo ${#WORD}']
  each:
    needs: first
    fork: "!first.pipelineParameters.steps.list.primaryReturn"
    steps:
      - name: prints
        image: busybox:local
        environment: {VALUE: "!executionForkValue"}
        commands: ['echo "value $VALUE"', set_return "$VALUE", 'pipelinectl skip "of $VALUE"']
"""


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """An application that forks over nothing, one value, too many, and odd ones."""
    names = {"NONE": "none", "ONE": "one", "MANY": "many", "ODD": "odd"}
    with place_in(tmp_path_factory.mktemp("lists")) as place:
        (place.repo / "odd.json").write_text(json.dumps(ODD, ensure_ascii=False), encoding="utf-8")
        forks = "".join(_BRANCHES.format(name=name, list=found) for name, found in names.items())
        place.write(LISTS + forks, "pipeline.yml")
        yield place.exec("--source", ".", "--output", "json")


def found(finished: Finished, path: str) -> str:
    """Return the bytes that a step has printed in base64, as text."""
    (line,) = finished.printed(path)
    return base64.b64decode(line).decode("utf-8")


def seen(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def leaks(text: str) -> list[str]:
    """Return what of the secret stands in a text."""
    return [
        form for form in (TOKEN, json.dumps(TOKEN)[1:-1], base64.b64encode(TOKEN.encode()).decode()) if form in text
    ]


def test_a_fork_over_nothing_has_no_branch_and_one_join_that_sees_an_empty_list(lists: Finished) -> None:
    assert [name for name in lists.stages if name.startswith("NONE")] == ["NONE_JOIN"]
    assert found(lists, "NONE_JOIN/all/s") == "[]"


def test_a_fork_over_one_value_has_a_branch_and_a_list_of_one(lists: Finished) -> None:
    assert [name for name in lists.stages if name.startswith("ONE")] == ["ONE[0]", "ONE_JOIN"]
    assert found(lists, "ONE[0]/show/s") == "only"
    assert len(json.loads(found(lists, "ONE_JOIN/all/s"))) == 1


def test_a_fork_over_ten_thousand_values_fails_and_says_how_many_there_can_be(lists: Finished) -> None:
    many = {name: stage for name, stage in lists.stages.items() if name.startswith("MANY")}

    assert lists.code == ExitCode.FAILURE
    assert {name: stage["status"] for name, stage in many.items()} == {"MANY": "failure", "MANY_JOIN": "not_run"}
    assert many["MANY"]["reason"] == "fork MANY has 10,000 values, and at most 1,000 can be"
    assert lists.document["run"]["reason"] == f"stage MANY: {many['MANY']['reason']}"
    assert f"stage MANY: failure: {many['MANY']['reason']}" in lists.err.splitlines()
    assert "stage MANY has failed" in many["MANY_JOIN"]["reason"]


def test_any_value_reaches_a_step_byte_for_byte(lists: Finished) -> None:
    values = [found(lists, f"ODD[{index}]/show/s") for index in range(len(ODD))]

    assert values == [seen(value) for value in ODD]
    assert len(json.loads(found(lists, "ODD_JOIN/all/s"))) == len(ODD)
    assert lists.steps["MAKE/make/odd"]["returns"]["primary"] == ODD


@pytest.fixture
def secret(place: Place, tmp_path: Path) -> str:
    """What gives the secret to a command."""
    place.write(SECRETS)
    (tmp_path / "token").write_text(TOKEN, encoding="utf-8")
    return f"token=@{tmp_path / 'token'}"


def files_that_tell(folder: Path) -> list[Path]:
    """Return the files below a folder in which something of the secret stands; there is at least one file."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [path for path in files if leaks(path.read_text(encoding="utf-8", errors="replace"))]


@pytest.mark.sampled
@pytest.mark.parametrize("output", ["text", "json", "events"])
def test_a_secret_that_is_returned_is_masked_in_all_that_exec_prints_and_keeps(
    place: Place, secret: str, output: str
) -> None:
    finished = place.exec("--output", output, "--secret", secret)
    logs = place.run("logs", place.runs[0].name)

    assert finished.code == ExitCode.SUCCESS, finished.err
    assert leaks(finished.out + finished.err + logs.out) == []
    assert files_that_tell(place.state) == []
    assert (place.runs[0] / "journal.jsonl").exists()
    lines = logs.printed("second/prints")
    assert lines == ["***", '["***",{"deep":"it is ***, is it"}]', "so ***", str(len(TOKEN))]
    assert logs.printed("each[0]/prints") == ["value ***"]


def test_a_secret_that_is_returned_is_masked_in_all_that_the_daemon_shows_and_keeps(place: Place, secret: str) -> None:
    with daemon_in(place) as daemon:
        followed = daemon.run("submit", "--follow", "--secret", secret)
        run = daemon.client.runs(limit=1)[0].id
        shown, document, logs = daemon.run("show", run), daemon.document(run), daemon.run("logs", run)
        told = files_that_tell(daemon.data)

    assert followed.code == ExitCode.SUCCESS, followed.err
    assert [leaks(each.out + each.err) for each in (followed, shown, document, logs)] == [[]] * 4
    assert told == []
    returns = document.steps["first/tell"]["returns"]
    assert (returns["primary"], returns["named"]) == ("***", {"COPY": "***"})
    assert document.steps["first/list"]["returns"]["primary"] == ["***", {"deep": "it is ***, is it"}]
    assert document.steps["each[1]/prints"]["returns"]["primary"] == '{"deep":"it is ***, is it"}'
    assert document.stages["each[0]"]["reason"] == "of ***"
    assert ["named", "COPY", "***"] in [line.split() for line in shown.out.splitlines()]
