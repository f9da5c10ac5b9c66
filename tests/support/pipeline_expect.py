"""What came of a run of ``.pipeline-config.yaml``, and whether that is what a case says.

The fields of what is expected are those of ``expect`` in ``tests/conformance/data/pipelinectl.yaml``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import permutations
from typing import Any, Self

from runner.plan.status import Status

_TRACE = "$ "
_FAILED = {Status.FAILURE, Status.ERROR, Status.TIMEOUT}
_REFUSED = "refused"
_RUNS: Mapping[str, set[Status] | set[str]] = {"succeeded": {Status.SUCCESS}, "failed": _FAILED, _REFUSED: {""}}
_STAGES = {"success": {Status.SUCCESS}, "failure": _FAILED, "skipped": {Status.SKIPPED}}
_NOT_RUN = "not run"


@dataclass(frozen=True, kw_only=True)
class Part:
    """A stage or, as ``task/step``, a step: how it stands, and when it ran in seconds since 1970, if it did."""

    status: str
    began: float | None = None
    ended: float | None = None


@dataclass(frozen=True, kw_only=True)
class AsyncSeen:
    """What came of an async run: how it ended, when (seconds since 1970), and what it printed, step after step."""

    id: str
    stage: str
    status: str
    lines: Sequence[str]
    ended: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What came of a run. ``status`` is empty if it was refused; ``text`` is all that the command has put out.

    ``parts`` are by ``stage`` and by ``stage/step``, ``lines`` by ``stage/step``. ``listed`` are the names in the list
    of async runs at the end.
    """

    status: str
    text: str
    parts: Mapping[str, Part] = field(default_factory=dict)
    lines: Mapping[str, Sequence[str]] = field(default_factory=dict)
    children: Sequence[AsyncSeen] = ()
    listed: Sequence[str] = ()

    def printed(self, name: str) -> list[str]:
        """Return the lines of a step, or of all steps of a stage."""
        return [line for path, lines in self.lines.items() if _within(path, name) for line in lines]


@dataclass(frozen=True, kw_only=True)
class ExpectAsync:
    """What must come of an async run; None and empty fields say nothing."""

    stage: str = ""
    run: str | None = None
    log_lines: Sequence[str] = ()
    log_lacks: Sequence[str] = ()
    running_at_start_of: Sequence[str] = ()

    def faults(self, seen: AsyncSeen, parent: Seen | None = None) -> list[str]:
        """Return what is not as it must be. ``parent`` is what ``running_at_start_of`` is about."""
        return [
            *([] if self.run is None or seen.status in _RUNS[self.run] else [f"it is {seen.status}, not {self.run}"]),
            *_faults_of_log(f"async {self.stage}", seen.lines, self.log_lines, self.log_lacks),
            *(
                f"it had ended when {name} began"
                for name in self.running_at_start_of
                if parent is None or not 0 < (parent.parts[name].began or 0) < seen.ended
            ),
        ]


@dataclass(frozen=True, kw_only=True)
class Expect:
    """What must come of a run; None and empty fields say nothing, but ``async_runs=()`` that there are none."""

    run: str | None = None
    message_contains: Sequence[str] = ()
    stages: Mapping[str, str] = field(default_factory=dict)
    order: Sequence[tuple[str, str]] = ()
    log_lines: Mapping[str, Sequence[str]] = field(default_factory=dict)
    log_lacks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    async_runs: Sequence[ExpectAsync] | None = None
    async_listing: Sequence[str] = ()

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Self:
        """Return what a case says."""
        runs = raw.get("async_runs")
        return cls(**{**raw, "async_runs": None if runs is None else tuple(ExpectAsync(**each) for each in runs)})

    def judge(self, seen: Seen) -> None:
        """Fail where something is not as it must be, and say all that is."""
        found = [
            *self._faults_of_run(seen),
            *(fault for name, wanted in self.stages.items() for fault in _faults_of_part(name, wanted, seen)),
            *(fault for first, second in self.order for fault in _faults_of_order(first, second, seen)),
            *(f for name, lines in self.log_lines.items() for f in _faults_of_log(name, seen.printed(name), lines)),
            *(f for name, lacks in self.log_lacks.items() for f in _faults_of_log(name, seen.printed(name), (), lacks)),
            *([] if self.async_runs is None else _faults_of_async(self.async_runs, seen)),
            *(f"{name} is not in the list {seen.listed}" for name in self.async_listing if name not in seen.listed),
        ]
        assert not found, "\n".join([*found, "", seen.text])

    def _faults_of_run(self, seen: Seen) -> list[str]:
        found = [f"nobody says {text!r}" for text in self.message_contains if text not in seen.text]
        wanted = set(Status) if self.run is None else _RUNS[self.run]
        return found if seen.status in wanted else [f"the run is {seen.status or _REFUSED}, not {self.run}", *found]


def later(part: Part, seconds: float) -> Part:
    """Return a part whose times count from a moment."""
    return replace(
        part,
        began=None if part.began is None else part.began + seconds,
        ended=None if part.ended is None else part.ended + seconds,
    )


def _within(path: str, name: str) -> bool:
    return path == name or path.startswith(f"{name}/")


def _faults_of_part(name: str, wanted: str, seen: Seen) -> list[str]:
    part = seen.parts.get(name)
    if wanted == _NOT_RUN:
        return [] if part is None or part.began is None else [f"{name} has run"]
    status = "absent" if part is None else part.status
    return [] if status in _STAGES[wanted] else [f"{name} is {status}, not {wanted}"]


def _faults_of_order(first: str, second: str, seen: Seen) -> list[str]:
    absent = Part(status="absent")
    ended, began = seen.parts.get(first, absent).ended, seen.parts.get(second, absent).began
    ordered = ended is not None and began is not None and ended <= began
    return [] if ordered else [f"{second} began at {began}, {first} ended at {ended}"]


def _faults_of_log(name: str, found: Sequence[str], lines: Sequence[str], lacks: Sequence[str] = ()) -> list[str]:
    rest = iter(line for line in found if not line.startswith(_TRACE))
    missing = [f"{name}: no line {line!r} (in this order) in {list(found)}" for line in lines if line not in rest]
    return [*missing, *(f"{name}: {text!r} is printed" for text in lacks if any(text in line for line in found))]


def _faults_of_async(wanted: Sequence[ExpectAsync], seen: Seen) -> list[str]:
    names, there = sorted(each.stage for each in wanted), sorted(child.stage for child in seen.children)
    if names != there:
        return [f"the async runs are {there}, not {names}"]
    tries = [
        [
            f"{child.stage} {child.id}: {fault}"
            for expected, child in zip(wanted, order, strict=True)
            for fault in (
                [f"is {child.stage}"] if expected.stage != child.stage else expected.faults(child, parent=seen)
            )
        ]
        for order in permutations(seen.children)
    ]
    return min(tries, key=len)
