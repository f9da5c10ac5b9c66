"""``runner daemon``: takes runs from a queue, survives its own death, serves an API."""

from typing import Annotated

import typer

from runner.cli.extras import of_daemon
from runner.settings import DaemonSettings, Settings


def daemon_command(
    *,
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Listen on TCP, too, for whoever has the token, which is in the file token of the data directory.",
        ),
    ] = None,
) -> None:
    """Be the daemon of a data directory: run what is submitted, here or by an earlier one that died.

    RUNNER_DATA_DIR holds all that it keeps, and its socket. After SIGTERM or Ctrl-C no run begins any more; those that
    go on have RUNNER_DRAIN seconds, or until a second signal, then they are cancelled. SIGHUP leaves them as they are:
    the next daemon takes them up, so that nothing is lost over an upgrade.
    """
    settings, daemon = Settings.read(), DaemonSettings.read()
    with of_daemon():
        from runner.daemon import serve  # noqa: PLC0415 - --help and completion do without it

    raise typer.Exit(serve(settings, daemon, listen=listen))
