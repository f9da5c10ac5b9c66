"""What steps of a daemon's run have printed, for whoever wants nothing else."""

import sys
from collections.abc import Iterable

import typer

from runner.cli.client.daemon import Daemon
from runner.cli.client.events import Subscription
from runner.cli.client.signals import LEAVING, leaving
from runner.cli.console import give_up
from runner.cli.exits import exit_code
from runner.cli.look import Look
from runner.cli.plain import PlainFace
from runner.dispatch.feed import Lines
from runner.dispatch.parts import check_part, is_of, steps_of
from runner.errors import ExitCode
from runner.logs.lines import Lines as Splitter
from runner.logs.lines import decode, safe
from runner.naming import Address


def download(pieces: Iterable[bytes]) -> None:
    """Write what has been printed so far: to a terminal, nothing but text and colours; elsewhere each byte of it.

    Raises:
        RunnerError: what the daemon says instead, or that nothing can be written.
    """
    terminal, splitter = sys.stdout.isatty(), Splitter()
    for piece in pieces:
        _write(_harmless(splitter.feed(piece)) if terminal else piece)
    _write(_harmless(splitter.finish()))


def follow_part(daemon: Daemon, run: str, stage: str, step: str, look: Look) -> int:
    """Write what a stage or a step prints until the run ends or is paused; a stage that forks means all its branches.

    Returns the exit code as ``following.follow``.

    Raises:
        NotFoundError: the run has no such stage or step.
        RunnerError: what the daemon says instead, or that nothing can be written.
    """
    now = {each["name"]: [step["name"] for step in each["steps"]] for each in daemon.report(run)["stages"]}
    check_part({**now, **steps_of(daemon.plan(run))}, stage, step)
    subscription = Subscription(daemon, run)
    stream = sys.stdout.buffer
    face = PlainFace(stream, terminal=sys.stdout.isatty(), color=look.color, timestamps=look.timestamps)
    with leaving(subscription.stop, *LEAVING) as arrived:
        for item in subscription.items():
            if isinstance(item, Lines) and _within(item.address, stage, step):
                try:
                    face.lines(item.address, item.block)
                    face.flush()
                except OSError as error:
                    return give_up(error)
    if subscription.report is None:
        return arrived() or ExitCode.INTERRUPTED
    return arrived() or exit_code(subscription.report["run"]["status"])


def _within(address: Address, stage: str, step: str) -> bool:
    return is_of(address.stage, stage) and step in ("", address.step)


def _harmless(lines: bytes) -> bytes:
    return safe(decode(lines)).encode()


def _write(data: bytes) -> None:
    if not data:
        return
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        raise typer.Exit(give_up(error)) from error
