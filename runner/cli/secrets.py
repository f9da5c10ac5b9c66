"""Where the values of secrets come from: the environment, files, or whoever sits at the terminal."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import typer

from runner.errors import UsageError
from runner.plan.model import Plan


def read_secrets(asked: Iterable[str], declared: Iterable[str]) -> dict[str, str]:
    """Return the values of all secrets that were asked for on the command line or are declared in the pipeline.

    ``NAME`` is taken from the environment (as it is written, or in capitals), else asked for; ``NAME=@FILE`` from a
    file, less one newline at its end. An empty variable is as good as none; an empty file is an empty secret.

    Raises:
        UsageError: secrets have no value, and nobody can be asked; all of them are named.
    """
    values: dict[str, str] = {}
    wanted: list[str] = []
    for text in asked:
        name, separator, value = text.partition("=")
        if not name or (separator and not value.startswith("@")):
            raise UsageError(
                f"--secret {name}=…: a value on a command line is seen by everyone" if name else "--secret: no name",
                hint="use NAME, taken from the environment, or NAME=@FILE",
            )
        if separator:
            values[name] = _read(name, Path(value.removeprefix("@")))
        else:
            wanted.append(name)
    unknown: list[str] = []
    for name in dict.fromkeys((*wanted, *declared)):
        if name in values:
            continue
        found = os.environ.get(name) or os.environ.get(name.upper())
        if not found and sys.stdin.isatty():
            found = typer.prompt(f"secret {name}", hide_input=True, err=True)
        if found:
            values[name] = found
        else:
            unknown.append(name)
    if unknown:
        raise UsageError(
            f"no value for the secret{'s' if len(unknown) > 1 else ''} {', '.join(unknown)}",
            hint=f"set the environment variable, or give --secret {unknown[0]}=@FILE",
        )
    return values


def secrets_of(plan: Plan) -> tuple[str, ...]:
    """Return the names of all secrets that a plan declares, or that its steps use."""
    used = (use.source for stage in plan.stages for step in stage.steps for use in step.secrets)
    return tuple(dict.fromkeys((*plan.secrets, *used)))


def _read(name: str, file: Path) -> str:
    try:
        # As bytes: `read_text` would change the line ends of a key.
        return file.read_bytes().decode().removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"secret {name}: cannot read {file}: {error}") from error
