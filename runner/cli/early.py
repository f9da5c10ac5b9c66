"""The place of a run, had before its pipeline is read: what takes longest there is begun meanwhile."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from runner.cli.importing import importing
from runner.cli.interrupts import ending, held
from runner.dispatch.expected import Expected
from runner.dispatch.subject import default_file
from runner.errors import UsageError
from runner.settings import Settings
from runner.workspace.files import read

if TYPE_CHECKING:
    from runner.dispatch.place import Local


@contextmanager
def here(*, early: bool = False) -> Iterator["Local"]:
    """Have this machine as the place of a run until the end of the block; a signal ends the block.

    With ``early``, the sandbox of a run is begun at once.

    Raises:
        UsageError: a setting cannot be read.
        InfrastructureError: no engine answers, or the lock cannot be written.
    """
    with importing(begun=True):  # a clone, perhaps
        from runner.dispatch.place import local  # noqa: PLC0415 - whoever has nothing to run needs no engine

    with ending(), ExitStack() as stack:
        with held():
            place = stack.enter_context(local(Settings.read(), early=early))
        yield place


@contextmanager
def early(file: Path | None) -> Iterator["Local | None"]:
    """Begin the sandbox of the run that this pipeline will need, if that has run here before as it is now; else None.

    Nothing is begun for what may turn out to be no pipeline at all.

    Raises:
        As ``here``, for a pipeline that is known.
    """
    content = b""
    with suppress(OSError, UsageError):  # whoever reads it to run it will say so
        content = read(file or default_file())
    if not Expected(Settings.read(), content).likely:
        yield None
        return
    with here(early=True) as place:
        yield place
