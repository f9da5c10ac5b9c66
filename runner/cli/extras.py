"""What only some installations have."""

from collections.abc import Iterator
from contextlib import contextmanager

from runner.errors import UsageError


@contextmanager
def of_daemon() -> Iterator[None]:
    """Import in this block what comes with ``runner[daemon]``.

    Raises:
        UsageError: a package of it is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "runner").partition(".")[0] == "runner":
            raise
        raise UsageError(
            f"the package {error.name} is not installed",
            hint="pip install 'runner[daemon]' installs what a daemon needs",
        ) from error
