"""What must hold of a run whose daemon has died: nothing is lost without a word, nothing ran twice, nothing is left.

The pipeline is one in which every part of a daemon's work occurs. Each of its scripts leaves a line in a file of the
machine when it begins, and prints lines that are counted.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from runner.engine.journal import Course, Entry
from runner.errors import TransitionError
from runner.plan.status import Status
from tests.support.attempts import BUSYBOX
from tests.support.lives import Lives

GAP = "runner: output is missing here"
LINES = 6


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run came to. ``statuses`` with exit codes and ``logs`` are by ``stage/step``; of its values the plain."""

    status: str
    statuses: dict[str, tuple[str, int | None]]
    values: object
    logs: dict[str, list[str]]

    @property
    def lost(self) -> list[str]:
        """The steps whose end nobody has seen."""
        return [path for path, (status, _) in self.statuses.items() if status == Status.LOST]


def begins(token: str, name: str) -> str:
    """Return a command that leaves a line in the proof of a script: ``token`` stands for its run."""
    return f'echo begun >>"/proof/{token}-{name}"'


def counted(token: str, name: str, *more: str, lines: int = LINES, **keys: object) -> dict[str, object]:
    """Return a step whose script leaves its proof, prints lines for a while, and then does ``more``."""
    printing = f"for n in $(seq {lines}); do echo line $n; sleep 0.05; done"
    return {"name": name, "image": BUSYBOX, "commands": [begins(token, name), printing, *more], **keys}


def pipeline(token: str) -> str:
    """Return a pipeline of stages side by side and after one another, a service, values, and steps for any status."""
    idle = {"name": "idle", "image": BUSYBOX, "entrypoint": ["sleep", "1000"]}
    left = [counted(token, "a", "set_env colour green"), counted(token, "b", "exit 3", ruleset={"continue": True})]
    right = [counted(token, "c", "sleep 0.1; echo aside >&2"), counted(token, "d")]
    always = {"status": ["success", "failure"]}
    top = [counted(token, "e", 'test "$(get_env colour)" = green'), counted(token, "f", ruleset=always)]
    stages = {
        "left": {"steps": left},
        "right": {"steps": right},
        "top": {"needs": ["left", "right"], "steps": top},
    }
    return json.dumps({"version": "1", "services": [idle], "stages": stages})  # JSON is YAML


def forking(token: str) -> str:
    """Return a pipeline whose branches come from what a step returns; one is skipped, one is paused, all are joined."""
    idle = {"name": "idle", "image": BUSYBOX, "entrypoint": ["sleep", "1000"]}
    find = counted(token, "find", """pipelinectl set_return --json '["skip", "pause", "go"]'""", lines=1)
    asks = 'if [ "$WISH" = {0} ]; then pipelinectl {0} "as it was told"; fi'
    each = {
        "needs": ["discover"],
        "fork": "!discover.pipelineParameters.steps.find.primaryReturn",
        "fork_limit": 2,
        "environment": {"WISH": "!executionForkValue", "BRANCH": "!executionForkValueIndex"},
        "evaluate": [counted(token, "decide[$BRANCH]", asks.format("skip"), lines=1) | {"name": "decide"}],
        "steps": [
            counted(token, "ask[$BRANCH]", asks.format("pause"), lines=3) | {"name": "ask"},
            counted(token, "work[$BRANCH]", 'pipelinectl set_return "did $WISH"') | {"name": "work"},
        ],
    }
    results = {"RESULTS": "!{each.pipelineParameters[2].steps.work.primaryReturn}, !{each.pipelineParameters[0]}"}
    all_ = counted(token, "all", 'echo "$RESULTS"', environment=results, lines=1)
    stages = {"discover": {"steps": [find]}, "each": each, "all": {"join": "each", "needs": ["each"], "steps": [all_]}}
    return json.dumps({"version": "1", "services": [idle], "stages": stages})


def outcome(lives: Lives, run: str, token: str) -> Outcome:
    """Return what a run that has ended came to, less what differs from run to run."""
    report = lives.client.report(run)
    steps = {(stage["name"], step["name"]): step for stage in report["stages"] for step in stage["steps"]}
    logs: dict[str, list[str]] = {}
    for stage, step in steps:
        text = b"".join(lives.client.log(run, stage, step)) if _ran(steps[stage, step]["status"]) else b""
        logs[f"{stage}/{step}"] = text.decode().replace(token, "TOKEN").splitlines()
    return Outcome(
        status=report["run"]["status"],
        statuses={f"{stage}/{step}": (found["status"], found["exit_code"]) for (stage, step), found in steps.items()},
        values=report["values"],
        logs=logs,
    )


def complaints(lives: Lives, run: str, token: str, undisturbed: Outcome) -> list[str]:
    """Return everything that must never be, and is, of a run that has ended."""
    found = outcome(lives, run, token)
    return [
        *(f"left: {name}" for name in lives.objects() if name.startswith(run)),
        *_of_scripts(lives, token, found),
        *_of_logs(found, undisturbed),
        *_of_journal(lives.journal(run)),
        *(
            [f"the run says {found.status}, steps are lost: {found.lost}"]
            if found.lost
            else _differences(found, undisturbed)
        ),
    ]


def _ran(status: str) -> bool:
    return status not in (Status.PENDING, Status.SKIPPED, Status.NOT_RUN)


def _differences(found: Outcome, undisturbed: Outcome) -> Iterable[str]:
    for what in ("status", "statuses", "values"):
        if getattr(found, what) != getattr(undisturbed, what):
            yield f"{what}: {getattr(found, what)}, but without a crash {getattr(undisturbed, what)}"


def _of_scripts(lives: Lives, token: str, found: Outcome) -> Iterable[str]:
    """Return which scripts did not begin as often as they must have."""
    for path, (status, code) in found.statuses.items():
        proof = lives.proof / f"{token}-{_proof(path)}"
        times = len(proof.read_text().splitlines()) if proof.exists() else 0
        if times > 1 or (code is not None and not times):
            yield f"the script of {path} began {times} times, it is {status}"


def _proof(path: str) -> str:
    """Return the name of the proof of a step: with the branch that its stage is."""
    stage, _, step = path.rpartition("/")
    return step + "".join(stage.partition("[")[1:])


def _of_logs(found: Outcome, undisturbed: Outcome) -> Iterable[str]:
    """Return which logs are neither whole nor say where they are not."""
    for path, lines in found.logs.items():
        whole = undisturbed.logs[path]
        if any(line.startswith(GAP) for line in lines):
            yield from _out_of_order(path, lines, whole)
        elif _ran(found.statuses[path][0]) and lines != whole:
            yield f"log of {path}: {lines}"


def _out_of_order(path: str, lines: Sequence[str], whole: Sequence[str]) -> Iterable[str]:
    rest = iter(whole)
    for line in lines:
        if not line.startswith(GAP) and line not in rest:
            yield f"log of {path} has a gap, and {line!r} twice or out of order: {lines}"


def _of_journal(entries: Sequence[Entry]) -> Iterable[str]:
    """Return what a journal says that none may say."""
    course = Course()
    for entry in entries:
        try:
            course.check(entry)
        except TransitionError as error:
            yield error.message
        course.apply(entry)
    last = {entry.address: entry.status for entry in entries}
    yield from (f"{address} is {status} for ever" for address, status in last.items() if not status.ended)
