"""What the steps of a run have printed, as a text."""

from collections.abc import Iterator
from pathlib import Path

from runner import naming
from runner.dispatch.parts import check_part, is_of, steps_of
from runner.engine.journal import Entry
from runner.engine.state import RunState
from runner.logs.download import prefixed, text_of
from runner.plan.model import Plan
from runner.plan.status import Status


def printed(plan: Plan, entries: tuple[Entry, ...], logs: Path, stage: str, step: str) -> Iterator[bytes]:
    """Return it in pieces: of one step as it is, of a stage or, without one, of the whole run with prefixes.

    A stage that forks means all its branches. ``logs`` is the directory of the run's log book.

    Raises:
        NotFoundError: there is no such stage or step.
        UsageError: a step without its stage.
    """
    check_part({**steps_of(plan), **steps_of(RunState("", plan, entries).plan)}, stage, step)
    begun = dict.fromkeys(each.address for each in entries if each.address.step and each.status is not Status.PENDING)
    wanted = [a for a in begun if (not stage or is_of(a.stage, stage)) and step in ("", a.step)]
    paths = [(address.path, logs / naming.file_name(naming.log(address))) for address in wanted]
    alone = step and len({address.stage for address in wanted}) <= 1
    return (piece for _, path in paths for piece in text_of(path)) if alone else prefixed(paths)
