"""The entry point: commands, and what becomes of an error."""

import sys

from runner import __version__


def main() -> None:
    """Run the command line of this process, and exit as ``errors.ExitCode`` says."""
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"runner {__version__}\n")  # at once: typer alone would take ten times as long to import
        return
    from runner.cli.app import run  # noqa: PLC0415 - see above

    sys.exit(run())
