"""The entry point: commands, and what becomes of an error."""

import os
import sys

from runner import __version__

_STANDARD = 3
"""How many file descriptors every program expects to be open: stdin, stdout and stderr."""


def main() -> None:
    """Run the command line of this process, and exit as ``errors.ExitCode`` says."""
    _open_missing()
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"runner {__version__}\n")  # at once: typer alone would take ten times as long to import
        return
    from runner.cli.importing import importing  # noqa: PLC0415 - see above

    with importing():
        from runner.cli.app import run  # noqa: PLC0415 - see above
    sys.exit(run())


def _open_missing() -> None:
    """Open what of stdin, stdout and stderr is closed: else the next file would take its place."""
    while (found := os.open(os.devnull, os.O_RDWR)) < _STANDARD:
        os.set_inheritable(found, True)
    os.close(found)
    sys.stdin = sys.stdin or os.fdopen(0)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")
