"""What ``exec`` runs when it is told of a repository elsewhere: its pipeline, on a tree of one of its commits."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from runner.cli.interrupts import interrupts
from runner.cli.look import Look
from runner.errors import ExitCode, UnwantedError
from runner.settings import Settings

if TYPE_CHECKING:
    from runner.workspace.git.spec import SourceSpec

_SHORT: Final = 8


@contextmanager
def fetched(spec: "SourceSpec", look: Look) -> Iterator[Path]:
    """Have the repository in a directory until the end of the block; a signal ends its fetching.

    Raises:
        UsageError: its address or a setting is none.
        WorkspaceError: it cannot be fetched.
    """
    from runner.workspace.git.sources import Sources  # noqa: PLC0415 - as above

    settings = Settings.read()
    sources = Sources(settings.mirrors, settings.git)
    given_up = threading.Event()
    with ExitStack() as stack:
        with interrupts(lambda _: given_up.set()) as taken:
            try:
                found = stack.enter_context(sources.fetched(spec, wanted=lambda: not given_up.is_set()))
            except UnwantedError as error:
                raise typer.Exit(taken.exit_code or ExitCode.INTERRUPTED) from error
        look.say(f"fetched {found.url} at {found.commit[:_SHORT]}")
        yield found.path
