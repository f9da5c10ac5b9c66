"""Cases of executions as a user runs them: with ``runner exec``."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from runner.engine.report import Report, StageReport, StepReport
from runner.errors import ExitCode
from tests.support.cli import Finished, Place
from tests.support.metalus_cases import Case
from tests.support.metalus_expect import REFUSED, Part, Seen

FILE: Final = "pipeline.yml"
OPTIONS: Final = ("--output", "json")
_CODES = {"success": ExitCode.SUCCESS, "failure": ExitCode.FAILURE, "paused": ExitCode.PAUSED}


def judge(place: Place, case: Case) -> None:
    """Run a case in an empty place; fail where something is not as it must be."""
    write(place, case)
    case.expect.judge(seen(case, place.exec(*OPTIONS), place.runs))


def write(place: Place, case: Case) -> None:
    """Write the application of a case where ``runner exec`` looks for it."""
    (place.repo / FILE).write_text(case.application, encoding="utf-8")


def seen(case: Case, done: Finished, runs: Sequence[Path]) -> Seen:
    """Return what came of ``runner exec`` with ``OPTIONS``; ``runs`` are the folders of the runs that there are now."""
    if done.code == ExitCode.INVALID:
        assert (done.out, list(runs)) == ("", [])
        return Seen(status=REFUSED, message=done.err, text=done.err)
    assert done.out, f"exit code {done.code}: {done.err}"
    document = done.document
    status = document["run"]["status"]
    assert done.code == _CODES.get(status, ExitCode.INFRASTRUCTURE), done.err
    steps = {f"{stage['name']}/{step['name']}": _step(step) for stage in document["stages"] for step in stage["steps"]}
    return Seen(
        status=status,
        message="\n".join(_reasons(document)),
        text=done.err + done.out,
        executions={stage["name"]: _execution(stage) for stage in document["stages"]},
        steps=steps,
        lines={path: done.printed(path) for path in steps},
        inside=case.inside,
    )


def _reasons(document: Report) -> Iterator[str]:
    yield document["run"]["reason"]
    for stage in document["stages"]:
        yield stage["reason"]
        yield from (step["reason"] for step in stage["steps"])


def _execution(stage: StageReport) -> Part:
    steps = [_step(step) for step in stage["steps"]]
    began = min((part.began for part in steps if part.began is not None), default=None)
    ended = max((part.ended for part in steps if part.ended is not None), default=None)
    return Part(status=stage["status"], began=began, ended=ended)


def _step(step: StepReport) -> Part:
    began, seconds = step["started"], step["seconds"]
    ended = None if began is None or seconds is None else began + seconds
    return Part(status=step["status"], began=began, ended=ended)
