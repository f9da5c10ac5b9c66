"""What came of an application of executions, and whether that is what a case says.

The fields of what is expected are those of ``expect`` in ``tests/conformance/data/metalus.yaml``.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from runner.plan.status import Status

REFUSED: Final = "refused"
_FAILED: Final = {Status.FAILURE, Status.ERROR, Status.TIMEOUT}
_RUNS: Final[Mapping[str, set[Status] | set[str]]] = {
    "success": {Status.SUCCESS},
    "failed": _FAILED,
    "paused": {Status.PAUSED},
    REFUSED: {REFUSED},
}
_ABSENT: Final = "absent"
_EXECUTIONS: Final[Mapping[str, set[Status] | set[str]]] = {
    "success": {Status.SUCCESS},
    "failed": _FAILED,
    "skipped": {Status.SKIPPED},
    "stopped": {Status.STOPPED},
    "paused": {Status.PAUSED},
    "not_run": {Status.NOT_RUN, _ABSENT},
}


@dataclass(frozen=True, kw_only=True)
class Part:
    """An execution or a step: how it stands, and when it ran in seconds since the start of the run, if it did."""

    status: str = _ABSENT
    began: float | None = None
    ended: float | None = None


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What came of a run: ``status`` is REFUSED for one that was none.

    ``message`` is all that was said about why it came so, ``text`` all that the command has put out. ``executions`` are
    by name, ``steps`` and ``lines``, what each has printed, by ``execution/pipeline/step``. ``inside`` are the ids of
    the executions that stand in each fork, the fork itself too.
    """

    status: str
    message: str
    text: str
    executions: Mapping[str, Part] = field(default_factory=dict)
    steps: Mapping[str, Part] = field(default_factory=dict)
    lines: Mapping[str, Sequence[str]] = field(default_factory=dict)
    inside: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def execution(self, name: str) -> Part:
        """Return an execution, absent if there is none of that name."""
        return self.executions.get(name, Part())


@dataclass(frozen=True, kw_only=True)
class Expect:
    """What must come of a run; empty fields say nothing."""

    run: str
    message_contains: Sequence[str] = ()
    executions: Mapping[str, str] = field(default_factory=dict)
    log_lines: Mapping[str, Sequence[str]] = field(default_factory=dict)
    log_json: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    log_json_has: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    steps_not_run: Sequence[str] = ()
    order: Sequence[tuple[str, str]] = ()
    overlap: Sequence[tuple[str, str]] = ()
    max_parallel: Mapping[str, int] = field(default_factory=dict)

    def judge(self, seen: Seen) -> None:
        """Fail where something is not as it must be, and say all that is."""
        found = [
            *self._faults_of_run(seen),
            *(fault for name, wanted in self.executions.items() for fault in _faults_of_execution(name, wanted, seen)),
            *(fault for path, lines in self.log_lines.items() for fault in _faults_of_log(path, lines, seen)),
            *_faults_of_json(self.log_json, seen, exactly=True),
            *_faults_of_json(self.log_json_has, seen, exactly=False),
            *(fault for path in self.steps_not_run for fault in _faults_of_unstarted(path, seen)),
            *(fault for first, second in self.order for fault in _faults_of_order(first, second, seen)),
            *(fault for one, other in self.overlap for fault in _faults_of_overlap(one, other, seen)),
            *(fault for fork, most in self.max_parallel.items() for fault in _faults_of_limit(fork, most, seen)),
        ]
        assert not found, "\n".join([*found, "", seen.text])

    def _faults_of_run(self, seen: Seen) -> list[str]:
        missing = [text for text in self.message_contains if text not in seen.message]
        found = [f"nobody says {text!r}: {seen.message}" for text in missing]
        return found if seen.status in _RUNS[self.run] else [f"the run is {seen.status}, not {self.run}", *found]


def has(found: object, wanted: object) -> bool:
    """Whether data are as wanted; maps may have more keys."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        return all(name in found and has(found[name], value) for name, value in wanted.items())
    if isinstance(found, list) and isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(has, found, wanted))
    return _same(found, wanted)


def _same(found: object, wanted: object) -> bool:
    """Whether data are equal as JSON, in which 1 is not true."""
    return json.dumps(found, sort_keys=True) == json.dumps(wanted, sort_keys=True)


def _faults_of_execution(name: str, wanted: str, seen: Seen) -> list[str]:
    part = seen.execution(name)
    if part.status not in _EXECUTIONS[wanted]:
        return [f"{name} is {part.status}, not {wanted}"]
    return [f"{name} has run"] if wanted == "not_run" and part.began is not None else []


def _faults_of_unstarted(path: str, seen: Seen) -> list[str]:
    """Return what is wrong with a step that must not have started; where its execution is there it is, too."""
    part = seen.steps.get(path)
    if part is None:
        name = path.partition("/")[0]
        return [f"{name} has no step {path}"] if name in seen.executions else []
    return [f"{path} has run"] if part.began is not None else []


def _faults_of_log(path: str, lines: Sequence[str], seen: Seen) -> list[str]:
    found = seen.lines.get(path, ())
    rest = iter(found)
    return [f"{path}: no line {line!r} (in this order) in {list(found)}" for line in lines if line not in rest]


def _faults_of_json(wanted: Mapping[str, Mapping[str, Any]], seen: Seen, *, exactly: bool) -> list[str]:
    found: list[str] = []
    for path, values in wanted.items():
        for name, value in values.items():
            texts = [line.removeprefix(f"{name}=") for line in seen.lines.get(path, ()) if line.startswith(f"{name}=")]
            if not any(_is_json(text, value, exactly=exactly) for text in texts):
                found.append(f"{path}: {name} is {texts}, not {json.dumps(value)}")
    return found


def _is_json(text: str, value: object, *, exactly: bool) -> bool:
    try:
        data = json.loads(text)
    except ValueError:
        return False
    return _same(data, value) if exactly else has(data, value)


def _faults_of_order(first: str, second: str, seen: Seen) -> list[str]:
    ended, began = seen.execution(first).ended, seen.execution(second).began
    ordered = ended is not None and began is not None and ended <= began
    return [] if ordered else [f"{second} began at {began}, {first} ended at {ended}"]


def _faults_of_overlap(one: str, other: str, seen: Seen) -> list[str]:
    spans = [_span([seen.execution(name)]) for name in (one, other)]
    both = [span for span in spans if span is not None]
    together = len(both) == len(spans) and most_at_a_time(both) > 1
    return [] if together else [f"{one} and {other} did not run at the same time: {spans}"]


def _faults_of_limit(fork: str, most: int, seen: Seen) -> list[str]:
    """Return what is wrong with the branches of ``each``, or of ``inner[0]`` that is in a branch itself."""
    id_, outer = _indexed(fork)
    branches: dict[int, list[Part]] = {}
    for name, part in seen.executions.items():
        its_id, indexes = _indexed(name)
        if its_id in seen.inside.get(id_, ()) and indexes[: len(outer)] == outer and len(indexes) > len(outer):
            branches.setdefault(indexes[len(outer)], []).append(part)
    spans = [span for parts in branches.values() if (span := _span(parts)) is not None]
    if not spans:
        return [f"no branch of {fork} has run"]
    found = most_at_a_time(spans)
    return [f"{found} branches of {fork} ran at a time, not {most}: {spans}"] if found > most else []


def _indexed(name: str) -> tuple[str, tuple[int, ...]]:
    """Return the id of ``inner[0][1]`` and its indexes."""
    id_, *indexes = name.split("[")
    return id_, tuple(int(index.removesuffix("]")) for index in indexes)


def _span(parts: Iterable[Part]) -> tuple[float, float] | None:
    """Return when the first of these began and the last ended; None if none ran."""
    ran = [(part.began, part.ended) for part in parts if part.began is not None and part.ended is not None]
    return (min(began for began, _ in ran), max(ended for _, ended in ran)) if ran else None


def most_at_a_time(spans: Iterable[tuple[float, float]]) -> int:
    """Return how many of these spans there are at one moment, at most; one that ends when another begins is over."""
    changes = sorted(change for began, ended in spans for change in ((ended, -1), (began, 1)))
    count = most = 0
    for _, change in changes:
        count += change
        most = max(most, count)
    return most
