"""The async stages of ``exec`` as they are shown: beside their parent while they run, and in a list at its end."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from runner.cli.printer import Face, Printer
from runner.dispatch.orders import StoredOrder
from runner.engine.events import Observer
from runner.engine.report import ChildReport
from runner.errors import ExitCode
from runner.logs.files import LogBook
from runner.plan.status import Status
from runner.workspace.local import is_dirty

if TYPE_CHECKING:
    from runner.dispatch.family import Member


class Beside:
    """Shows async stages. ``face`` makes the face of one; until it is set, as before a run is shown, there are none."""

    def __init__(self) -> None:
        self.face: Callable[[LogBook, str], Face] | None = None

    @contextmanager
    def __call__(self, member: "Member") -> Iterator[Observer]:
        """Show one until the end of the block; called in the thread of each."""
        if self.face is None:
            raise RuntimeError("an async stage begins before its parent is shown")
        # Further runs of one stage are numbered.
        prefix = "child:" if member.number == 1 else f"child#{member.number}:"
        printer = Printer(member.logs, self.face(member.logs, prefix), closed=member.cancel)
        try:
            yield printer.observe
        finally:
            printer.finish()


def seen_by_children(order: StoredOrder) -> Iterator[str]:
    """Yield what a person should know of the trees that async stages of a run on a directory work on."""
    from runner.dispatch.offspring import own_commit  # noqa: PLC0415 - most runs have no async stages

    commit = own_commit(order)
    if commit is None:
        yield f"async stages see {order.tree.directory} as it is then: it is no commit of a repository"
    elif is_dirty(Path(order.tree.directory)):
        yield f"async stages see commit {commit.commit[:8]}, not what has changed here since"


def listed(children: Sequence[ChildReport]) -> Iterator[str]:
    """Yield a line for each: its name, its run, how that stands."""
    for child in children:
        yield f"async stage {child['stage']}: run {child['id']}: {child['status']}"


def worst(children: Sequence[ChildReport]) -> ExitCode:
    """Return what they mean for the command that has waited for them: that one has failed, else that one is paused."""
    found = {child["status"] for child in children} - {Status.SUCCESS}
    if found == {Status.PAUSED}:
        return ExitCode.PAUSED
    return ExitCode.FAILURE if found else ExitCode.SUCCESS
