"""Cases of ``.pipeline-config.yaml`` as a user runs them: with ``runner exec``, or through a daemon."""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from runner.engine.report import ChildReport, Report, StageReport, StepReport
from tests.support.cli import Finished, Place
from tests.support.pipeline_cases import Case, lay_out
from tests.support.pipeline_expect import AsyncSeen, Part, Seen, later

ENVIRONMENT = {"RUNNER_GIT_PROTOCOLS": "file,https"}
"""The repositories of a case are addresses of files."""

_INVALID = 2
_CHILD = re.compile(r"child(#\d+)?:")
_LISTED = re.compile(r"(?:note: )?async stage (?P<name>[^ :]+): .*\b[0-9a-f]{8}\b.*")
_STAMP = re.compile(r"(?P<time>\S+Z) (?P<line>.*)")
_ENDED = re.compile(r"(?:child(?:#\d+)?:)?run (?P<run>[0-9a-f]{8}): \w+ in .*")


@dataclass(frozen=True, kw_only=True)
class Said:
    """The lines that a command has put out, and when the runs among them ended, in seconds since 1970."""

    lines: tuple[str, ...]
    ends: Mapping[str, float]


class Faced(ABC):
    """A case in front of the commands of ``runner``; ``place`` is where they are called."""

    def __init__(self, place: Place, case: Case, folder: Path) -> None:
        self.case, place.repo = lay_out(case, folder)
        self.place = place
        self.secrets = folder / "secrets"

    def judge(self) -> None:
        """Run the case, and all that it says is to be done afterwards; fail where something is not as it must be."""
        seen = self.whole()
        self.case.expect.judge(seen)
        for then in self.case.then:
            if not then.rerun:
                then.expect.judge(self.whole())
                continue
            [child, *_] = [child for child in seen.children if child.stage == then.rerun]
            again = self.again(child)
            assert again.id != child.id
            assert then.expect_async.faults(again) == [], again

    @abstractmethod
    def whole(self) -> Seen:
        """Run the whole of it."""

    @abstractmethod
    def again(self, child: AsyncSeen) -> AsyncSeen:
        """Run an async stage of it again."""


class ByExec(Faced):
    """Runs a case with ``runner exec``, and async stages again with ``runner rerun``."""

    def whole(self) -> Seen:
        before = self.place.runs
        done = self.place.exec(*self.case.run.arguments(self.secrets), "--output", "json", "--timestamps")
        if done.code == _INVALID:
            assert (done.out, self.place.runs) == ("", before)
            return Seen(status="", text=done.err)
        said, document = _said(done), _document(done)
        children = tuple(self._child(child, said) for child in document["children"])
        _check_code(done, document, *(child["status"] for child in document["children"]))
        return _seen(done, document, said.lines, said.ends[document["run"]["id"]], children)

    def again(self, child: AsyncSeen) -> AsyncSeen:
        secrets = self.case.run.secret_arguments(self.secrets)
        done = self.place.run("rerun", child.id, "--output", "json", *secrets)
        document = _document(done)
        _check_code(done, document, *(each["status"] for each in document["children"]))
        return _async_seen(child.stage, document, done.err.splitlines())

    def _child(self, child: ChildReport, said: Said) -> AsyncSeen:
        done = self.place.run("logs", child["id"])
        assert done.code == 0, done.err
        lines = _all(_printed(done.out.splitlines()))
        return AsyncSeen(
            id=child["id"], stage=child["stage"], status=child["status"], lines=lines, ended=said.ends[child["id"]]
        )


class ByDaemon(Faced):
    """Runs a case with ``runner submit``, and async stages again with ``runner rerun``; a daemon serves already."""

    def whole(self) -> Seen:
        done = self.place.run("submit", "--follow", "--output", "json", *self.case.run.arguments(self.secrets))
        if done.code == _INVALID:
            assert done.out == ""
            return Seen(status="", text=done.err)
        document = _document(done)
        _check_code(done, document)
        found = tuple(self._descendants(document))
        ends = self._ends()
        children = tuple(_async_seen(stage, each, lines, ends[each["run"]["id"]]) for stage, each, lines in found)
        return _seen(done, document, done.err.splitlines(), ends[document["run"]["id"]], children)

    def again(self, child: AsyncSeen) -> AsyncSeen:
        done = self.place.run("rerun", child.id, "--follow", "--output", "json")
        document = _document(done)
        _check_code(done, document)
        return _async_seen(child.stage, document, done.err.splitlines())

    def _descendants(self, parent: Report) -> Iterator[tuple[str, Report, list[str]]]:
        """Yield name, document and lines of every async stage that descends from a run, when it has ended."""
        for child in parent["children"]:
            done = self.place.run("logs", "--follow", "--output", "json", child["id"])
            document = _document(done)
            _check_code(done, document)
            yield child["stage"], document, done.err.splitlines()
            yield from self._descendants(document)

    def _ends(self) -> dict[str, float]:
        """Return when the runs have ended, in seconds since 1970."""
        runs = json.loads(self.place.run("runs", "--output", "json", "--limit", "1000").out)["runs"]
        return {each["id"]: datetime.fromisoformat(each["ended"]).timestamp() for each in runs if each["ended"]}


def _check_code(done: Finished, document: Report, *children: str) -> None:
    """See that a command has the exit code that belongs to its run, and to those for which it has waited."""
    good = {document["run"]["status"], *children} == {"success"}
    assert (done.code == 0) == good, done.err


def _document(done: Finished) -> Report:
    assert done.out, f"exit code {done.code}: {done.err}"
    return done.document


def _said(done: Finished) -> Said:
    found = [each for line in done.err.splitlines() if (each := _STAMP.fullmatch(line))]
    ends = {
        told["run"]: datetime.fromisoformat(each["time"]).replace(tzinfo=UTC).timestamp()
        for each in found
        if (told := _ENDED.fullmatch(each["line"]))
    }
    return Said(lines=tuple(each["line"] for each in found), ends=ends)


def _printed(lines: Iterable[str]) -> dict[str, list[str]]:
    """Return what the steps of a run have printed, by ``stage/step``; those of its async stages do not count."""
    found: dict[str, list[str]] = {}
    for path, separator, line in (line.partition(" | ") for line in lines):
        if separator and not _CHILD.match(path):
            found.setdefault(path, []).append(line)
    return found


def _all(printed: Mapping[str, list[str]]) -> list[str]:
    return [line for lines in printed.values() for line in lines]


def _async_seen(stage: str, document: Report, lines: Iterable[str], ended: float = 0.0) -> AsyncSeen:
    run = document["run"]
    return AsyncSeen(id=run["id"], stage=stage, status=run["status"], lines=_all(_printed(lines)), ended=ended)


def _seen(
    done: Finished, document: Report, lines: Iterable[str], ended: float, children: tuple[AsyncSeen, ...]
) -> Seen:
    """Return what came of a run that ended at that moment, in seconds since 1970."""
    lines = tuple(lines)
    began = ended - document["run"]["seconds"]
    return Seen(
        status=document["run"]["status"],
        text=done.err + done.out,
        parts={path: later(part, began) for stage in document["stages"] for path, part in _parts(stage)},
        lines=_printed(lines),
        children=children,
        listed=[found["name"] for line in lines if (found := _LISTED.fullmatch(line))],
    )


def _parts(stage: StageReport) -> Iterator[tuple[str, Part]]:
    steps = {step["name"]: _part(step) for step in stage["steps"]}
    began = min((part.began for part in steps.values() if part.began is not None), default=None)
    ended = max((part.ended for part in steps.values() if part.ended is not None), default=None)
    yield stage["name"], Part(status=stage["status"], began=began, ended=ended)
    for name, part in steps.items():
        yield f"{stage['name']}/{name}", part


def _part(step: StepReport) -> Part:
    began, seconds = step["started"], step["seconds"]
    ended = None if began is None or seconds is None else began + seconds
    return Part(status=step["status"], began=began, ended=ended)
