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
    file, less one newline at its end.

    Raises:
        UsageError: secrets have no value, and nobody can be asked; all of them are named.
    """
    values: dict[str, str] = {}
    for text in asked:
        name, separator, file = text.partition("=@")
        if separator:
            values[name] = _read(name, Path(file))
        elif "=" in text:
            raise UsageError(
                f"--secret {text.partition('=')[0]}=…: a value on a command line is seen by everyone",
                hint="use NAME, taken from the environment, or NAME=@FILE",
            )
        else:
            values.setdefault(name, "")
    missing = [name for name in dict.fromkeys((*values, *declared)) if not values.get(name)]
    unknown: list[str] = []
    for name in missing:
        found = os.environ.get(name) or os.environ.get(name.upper())
        if found is None and sys.stdin.isatty():
            found = typer.prompt(f"secret {name}", hide_input=True, err=True)
        if found is None:
            unknown.append(name)
        else:
            values[name] = found
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
        return file.read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"secret {name}: cannot read {file}: {error}") from error
