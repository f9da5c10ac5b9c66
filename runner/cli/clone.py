"""What ``exec`` runs when it is told of a repository elsewhere: its pipeline, on a tree of one of its commits."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from runner.cli.faces import Look
from runner.cli.interrupts import interrupts
from runner.cli.trigger import Given, default_file
from runner.errors import ExitCode, UnwantedError, UsageError
from runner.settings import Settings

if TYPE_CHECKING:
    from runner.workspace.git.spec import SourceSpec

_TAGS: Final = "refs/tags/"
_SHORT: Final = 8


def spec_of(url: str, commit: str, given: Given, *, submodules: bool) -> "SourceSpec":
    """Return what is wanted: a commit, else the tag or the branch that the facts name, else the repository's own.

    Raises:
        UsageError: commit, tag or branch are none.
    """
    from runner.workspace.git.spec import SourceSpec  # noqa: PLC0415 - most runs do without

    tag = given.tag or ""
    ref = (tag if tag.startswith("refs/") else f"{_TAGS}{tag}") if tag else given.branch or ""
    return SourceSpec(url=url, commit=commit, ref=ref, submodules=submodules)


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


def pipeline_in(clone: Path, file: Path | None) -> Path:
    """Return the pipeline of a repository: what is named, by its path in there, or that which has a usual name.

    Raises:
        UsageError: there is none, or it is a link that leads out of the repository.
    """
    path = clone / file if file else default_file(clone)
    if not path.resolve().is_relative_to(clone.resolve()):
        shown = file or path.name
        raise UsageError(f"{shown}: is not in the repository", hint="with --repo-url the pipeline is one of its files")
    return path
