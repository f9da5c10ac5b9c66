"""What ``.runner.toml`` says where the command line is silent.

::

    [exec]
    max-parallel = 2
    env = ["A=1"]

Of the table ``exec`` every other command takes what it knows, and its own table wins. The file comes with the
repository, so it is somebody else's text: what reaches out of the run or grants anything is refused.
"""

import os.path
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import typer
from typer.core import TyperOption

from runner.dialects.findings import nearest
from runner.errors import UsageError
from runner.workspace.files import read

NAME: Final = ".runner.toml"

_TABLES: Final = ("exec", "compile")
_REFUSED: Final = frozenset(
    (
        *("artifacts", "bind", "commit", "event-file", "export", "privileged-image", "repo-url", "secret"),
        *("secret-file", "shell-on-failure", "source", "submodules", "volume"),
    )
)
_PATHS: Final = frozenset(("env-file",))
_GIT: Final = ".git"


def load_defaults(context: typer.Context, file: Path | None) -> Path | None:
    """Give the command that is called the defaults for its pipeline; return the pipeline as it was given.

    This is the callback of the argument that names it, which typer calls before it looks at options.

    Raises:
        UsageError: the file cannot be read, or says something that cannot be.
    """
    if not context.resilient_parsing and not context.params.get("repo_url"):
        found = _find(_directory(file))
        if found is not None:
            context.default_map = _read(found, context)
    return file


def _directory(file: Path | None) -> Path:
    from runner.dispatch.subject import default_file  # noqa: PLC0415 - whoever has options of this kind imports this

    try:
        return (file or default_file()).absolute().parent
    except UsageError:
        return Path.cwd()  # the command itself will say that there is no pipeline


def _find(directory: Path) -> Path | None:
    """Return the nearest file of defaults, from a directory up to the top of its repository."""
    top = _top(directory)
    for folder in (directory, *directory.parents):
        if (folder / NAME).is_file():
            return folder / NAME
        if folder == top:
            break
    return None


def _top(directory: Path) -> Path:
    """Return the top of the repository that a directory is in; the directory itself outside of one."""
    return next((folder for folder in (directory, *directory.parents) if (folder / _GIT).exists()), directory)


def _read(file: Path, context: typer.Context) -> dict[str, object]:
    import tomllib  # noqa: PLC0415 - most repositories have no such file

    shown = _shown(file)
    try:
        tables: dict[str, object] = tomllib.loads(read(file).decode())
    except (ValueError, RecursionError) as error:  # of Python's own too: a number of thousands of digits
        raise UsageError(f"{shown}: this is not TOML: {error}") from error
    except OSError as error:
        raise UsageError(f"{shown}: {error.strerror}") from error
    for name, table in tables.items():
        if name not in _TABLES or not isinstance(table, dict):
            near = nearest(name, _TABLES)
            hint = f"write [{near}]" if near else f"there are [{'] and ['.join(_TABLES)}]"
            raise UsageError(f"{shown}: {name}: there is no such table", hint=hint)
    exec_, own = (_table(tables, name) for name in (_TABLES[0], context.info_name or ""))
    reader = _Table(file, context)
    return reader.read({**{key: value for key, value in exec_.items() if reader.has(key)}, **own})


def _table(tables: Mapping[str, object], name: str) -> Mapping[str, object]:
    table = tables.get(name)
    return table if isinstance(table, dict) else {}


def _shown(file: Path) -> str:
    return os.path.relpath(file)


class _Table:
    """The table of one command; its keys are the long names of that command's options."""

    def __init__(self, file: Path, context: typer.Context) -> None:
        self._file = file
        self._context = context
        self._options = {
            name.removeprefix("--"): option
            for option in context.command.params
            if isinstance(option, TyperOption)
            for name in option.opts
            if name.startswith("--")
        }

    def has(self, key: str) -> bool:
        """Whether the command has this option; another one may have it instead."""
        return key in self._options

    def read(self, table: Mapping[str, object]) -> dict[str, object]:
        """Return the values of options by the names of their parameters."""
        return {str(self._known(key).name): self._value(key, value) for key, value in table.items()}

    def _known(self, key: str) -> TyperOption:
        if key in _REFUSED:
            raise self._bad(key, "a repository may not say this", f"give --{key} on the command line")
        if key not in self._options:
            near = nearest(key, self._options.keys() - _REFUSED)
            raise self._bad(key, "there is no such option", f"did you mean {near!r}?" if near else "")
        return self._options[key]

    def _value(self, key: str, value: object) -> object:
        option = self._options[key]
        if option.multiple:
            fits, form = isinstance(value, list) and all(isinstance(item, str) for item in value), "a list of texts"
        elif option.is_flag:
            fits, form = isinstance(value, bool), "true or false"
        else:
            fits, form = isinstance(value, str | int) and not isinstance(value, bool), "a text or a number"
        if not fits:
            raise self._bad(key, f"{value!r} is of another kind", f"write {form}")
        if key in _PATHS and isinstance(value, list):
            value = [self._inside(key, item) for item in value]
        try:
            option.process_value(self._context, value if option.multiple or option.is_flag else str(value))
        except typer.BadParameter as error:
            raise self._bad(key, error.message) from error
        return value

    def _inside(self, key: str, path: str) -> str:
        """Return a path that was written from the directory of the file, if it stays in the repository."""
        folder = self._file.parent
        whole, top = os.path.realpath(folder / path), os.path.realpath(_top(folder))
        if not Path(whole).is_relative_to(top):
            raise self._bad(key, f"{path} is not in the repository", f"give --{key} on the command line")
        return whole

    def _bad(self, key: str, message: str, hint: str = "") -> UsageError:
        return UsageError(f"{_shown(self._file)}: {key}: {message}", hint=hint)
