"""``runner clean``: removes what dead runs left."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runner.cli.console import say
from runner.errors import ExitCode, InfrastructureError
from runner.settings import Settings
from runner.store import instances

if TYPE_CHECKING:
    from runner.backends.docker.sweep import Remnant
    from runner.dispatch.clean import Cleaned


def clean_command(
    everything: Annotated[  # noqa: FBT002 - typer makes a flag of it
        bool,
        typer.Option(
            "--all",
            help="Also what is kept between runs and nothing uses: caches, commands of steps, repositories, a network.",
        ),
    ] = False,
    daemon: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Instead, all that the daemon of this directory has; it must have ended."),
    ] = None,
) -> None:
    """Remove what dead runs of this user left on the engine, and what runs were told to keep.

    What belongs to a run that is going on, to another user or host, or to a daemon is not touched; but for --daemon.
    """
    settings = Settings.read()
    cleaned = _clean(settings, daemon, everything=everything)
    forgotten = _forget(settings) if everything and daemon is None else 0
    for remnant in cleaned.removed:
        say(f"removed {_described(remnant)}")
    for remnant in cleaned.left:
        say(f"cannot remove {_described(remnant)}", err=True)
    if forgotten:
        say(f"removed what was kept of {forgotten} repositor{'y' if forgotten == 1 else 'ies'}")
    if not cleaned.removed and not cleaned.left and not forgotten:
        say("nothing to remove")
    if cleaned.left:
        raise typer.Exit(ExitCode.INFRASTRUCTURE)


def _clean(settings: Settings, daemon: Path | None, *, everything: bool) -> "Cleaned":
    from runner.backends.docker.client import Engine  # noqa: PLC0415 - --help and completion do without the docker SDK
    from runner.dispatch.clean import clean, clean_daemon  # noqa: PLC0415 - as above

    if daemon is not None:
        return clean_daemon(Engine(), daemon, lasting=everything)
    with instances.live(settings.state, instances.KIND_EXEC) as instance:
        return clean(Engine(), instance, kept=True, lasting=everything)


def _forget(settings: Settings) -> int:
    """Remove what is kept of repositories that no run uses; return of how many."""
    from runner.workspace.git.forgetting import forget  # noqa: PLC0415 - as above

    try:
        return forget(settings.mirrors, unused=0.0)
    except OSError as error:
        raise InfrastructureError(f"what is kept of repositories cannot be removed: {error}") from error


def _described(remnant: "Remnant") -> str:
    if remnant.cache:
        return f"cache {remnant.cache}"
    if remnant.shim:
        return f"commands of steps, version {remnant.shim}"
    return f"{remnant.kind} {remnant.name}" + (f" of run {remnant.run}" if remnant.run else "")
