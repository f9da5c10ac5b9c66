"""Writing to stdout and stderr, whose reader may have gone away and whose disk may be full."""

import os
import re
import sys

import typer

from runner.errors import ExitCode, InfrastructureError

_BIDIRECTIONAL = "\u202a-\u202e\u2066-\u2069"  # makes a terminal show another order than was written
_UNSAFE = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff{_BIDIRECTIONAL}]")


def escaped(text: str) -> str:
    """Return words of others (a file, a commit) without what could move a cursor, or cannot be encoded."""
    return _UNSAFE.sub(lambda found: repr(found[0])[1:-1], text)


def say(text: str, *, err: bool = False) -> None:
    """Write lines to stdout, or with ``err`` to stderr.

    They may hold the words of others: they are ``escaped``.

    Raises:
        typer.Exit: nobody reads them.
        InfrastructureError: they cannot be written.
    """
    try:
        typer.echo(escaped(text), err=err)
    except OSError as error:
        raise typer.Exit(give_up(error)) from error


def give_up(error: OSError) -> ExitCode:
    """Return the exit code of a command that nobody listens to any more; it writes nothing from here on.

    Raises:
        InfrastructureError: it is another trouble with stdout, which can be told on stderr.
    """
    mute(error)
    if isinstance(error, BrokenPipeError):
        return ExitCode.PIPE_CLOSED
    raise InfrastructureError(f"cannot write the output: {error.strerror}") from error


def mute(error: OSError) -> None:
    """Write nothing any more to what failed with ``error``: Python would try again at its exit, and complain."""
    streams = (sys.stdout, sys.stderr) if isinstance(error, BrokenPipeError) else (sys.stdout,)
    for stream in streams:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
