"""The place of a run, had before its pipeline is read: what takes longest there is begun meanwhile."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from runner.cli.importing import importing
from runner.cli.interrupts import ending
from runner.dispatch.expected import Expected
from runner.dispatch.subject import default_file
from runner.errors import InfrastructureError, UsageError
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
    with ending(), ExitStack() as stack:
        with importing(begun=True):  # what is left to be imported when the engine works already, too
            from runner.dispatch.place import local  # noqa: PLC0415 - whoever has nothing to run needs no engine

            place = stack.enter_context(local(Settings.read(), early=early))
        yield place


@contextmanager
def early(file: Path | None) -> Iterator["Local | None"]:
    """Begin the sandbox of the run that this pipeline will need, if that has run here before as it is now; else None.

    Nothing is begun for what may turn out to be no pipeline at all.

    Raises:
        UsageError: a setting cannot be read.
    """
    settings = Settings.read()
    with ExitStack() as stack:
        place = None
        # Whoever reads it to run it will tell what is wrong with it, and with the engine.
        with suppress(OSError, UsageError, InfrastructureError):
            path = file or default_file()
            if path.is_file() and Expected(settings, read(path)).likely:  # what is no file can be read only once
                place = stack.enter_context(here(early=True))
        yield place
