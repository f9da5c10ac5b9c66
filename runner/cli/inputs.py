"""What is given to a run on the command line: ``NAME=VALUE``, and files of such lines."""

from collections.abc import Iterable
from pathlib import Path

from runner.engine.envfile import BadLineError, parse
from runner.errors import UsageError
from runner.pipelinectl.layout import CONFIG, is_property
from runner.workspace.files import read


def read_assignments(option: str, texts: Iterable[str]) -> dict[str, str]:
    """Read the values of an option; of several with one name the last counts.

    Raises:
        UsageError: one is not ``NAME=VALUE``. Its value may be a secret, and is not repeated.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not name or not separator:
            raise UsageError(f"{option} {name}{separator}: not an assignment", hint="write NAME=VALUE")
        found[name] = value
    return found


def read_files(option: str, files: Iterable[Path]) -> dict[str, str]:
    """Read the files of an option, as ``engine.envfile``; of several values with one name the last counts.

    Raises:
        UsageError: a file or a line cannot be read.
    """
    found: dict[str, str] = {}
    for file in files:
        try:
            found |= parse(read(file).decode())
        except BadLineError as error:
            raise UsageError(f"{option} {file}:{error.line}: this line {error.message}", hint=error.hint) from error
        except OSError as error:
            raise UsageError(f"{option} {file}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise UsageError(f"{option} {file}: this is not UTF-8", hint="save the file as UTF-8") from error
    return found


def check_property(what: str, name: str) -> None:
    """See that there can be a property of this name, which is a file as well.

    Raises:
        UsageError: there cannot; the message begins with ``what``.
    """
    if not is_property(name):
        raise UsageError(f"{what}: no file below {CONFIG} can have this name", hint="write NAME, or NAME/KEY")
