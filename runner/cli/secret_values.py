"""Where the values of secrets come from: the environment, files, or whoever sits at the terminal."""

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import typer

from runner.cli.console import escaped
from runner.cli.inputs import check_property, read_files
from runner.errors import UsageError
from runner.plan.model import Plan
from runner.workspace.files import read

_EVERYBODYS = frozenset(("HOME", "HOSTNAME", "LANG", "LOGNAME", "MAIL", "PATH", "PWD", "SHELL", "TERM", "TZ", "USER"))
_FORMS = "use NAME, or NAME=@FILE"


def read_secrets(asked: Iterable[str], declared: Iterable[str], files: Iterable[Path] = ()) -> dict[str, str]:
    """Return the values of all secrets that were asked for on the command line or are declared in the pipeline.

    ``NAME=@FILE`` is taken from a file, less one newline at its end; ``NAME`` from the lines of ``files``, else from
    the environment (as it is written, or in capitals), else asked for. All values of ``files`` are secrets. An empty
    variable is as good as none, and so is one that every login has; an empty file or line is an empty secret.

    Raises:
        UsageError: secrets have no value, and nobody can be asked; all of them are named. Or a file cannot be read.
    """
    values, wanted = read_given("--secret ", asked)
    listed = read_files("--secret-file", files)
    unknown: list[str] = []
    for name in dict.fromkeys((*wanted, *declared)):
        found = values[name] if name in values else _found(name, listed)
        if found is None:
            unknown.append(name)
        else:
            values[name] = found
    if unknown:
        raise UsageError(
            f"no value for the secret{'s' if len(unknown) > 1 else ''} {', '.join(unknown)}",
            hint=f"set the environment variable, or give --secret {unknown[0]}=@FILE or --secret-file FILE",
        )
    return listed | values


def secure_properties(asked: Iterable[str], plan: Plan, values: Mapping[str, str]) -> dict[str, str]:
    """Return the secrets that every step may see: those asked for by name that the pipeline does not know.

    One that it declares, or that a step of it uses, pruned or not, is for the steps that say so. The case of its
    letters means nothing, as where its value is looked for.

    Raises:
        UsageError: there can be no property of this name.
    """
    known = {name.casefold() for name in plan.secrets}
    names = {text.partition("=")[0] for text in asked}
    names = {name for name in names if name.casefold() not in known}
    for name in names:
        check_property(f"--secret {name}, which no step asks for", name)
    return {name: values[name] for name in sorted(names)}


def read_given(option: str, texts: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Return the secrets that are in files (``NAME=@FILE``), and the names of the others (``NAME``).

    Raises:
        UsageError: a value stands there itself, or a file cannot be read; the message begins with ``option``.
    """
    values: dict[str, str] = {}
    wanted: list[str] = []
    for text in texts:
        name, separator, value = text.partition("=")
        if not name:
            raise UsageError(f"{option.strip() or 'secret'}: no name", hint=_FORMS)
        if separator and not value.startswith("@"):
            raise UsageError(f"{option}{name}=…: a value on a command line is seen by everyone", hint=_FORMS)
        if separator:
            values[name] = _read(f"{option}{text}", Path(value.removeprefix("@")))
        else:
            wanted.append(name)
    return values, wanted


def as_secret(data: bytes, what: str) -> str:
    """Return the content of a file as a secret: less one newline at its end.

    Raises:
        UsageError: it is not UTF-8; the message begins with ``what``.
    """
    try:
        return data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise UsageError(f"{what}: this is not UTF-8", hint="save the file as UTF-8") from error


def _found(name: str, listed: Mapping[str, str]) -> str | None:
    """Return the value of a secret: from a list, the environment, or whoever sits at the terminal."""
    for form in (name, name.upper()):
        if form in listed:
            return listed[form]
    found = next(
        (os.environ[form] for form in (name, name.upper()) if form not in _EVERYBODYS and os.environ.get(form)), ""
    )
    if not found and sys.stdin.isatty():
        found = typer.prompt(f"secret {escaped(name)}", hide_input=True, err=True)
    return found or None


def _read(what: str, file: Path) -> str:
    try:
        return as_secret(read(file), what)  # of bytes, as `read_text` would change the line ends of a key
    except OSError as error:
        raise UsageError(f"{what}: {error.strerror}") from error
