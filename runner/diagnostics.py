"""What goes wrong inside the runner itself, for whoever mends it: structured lines on stderr, never on stdout."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import structlog

Redact = Callable[[str], str]
"""Returns a text without its secrets; for any thread."""

_redacts: list[Redact] = []


@contextmanager
def redact_by(redact: Redact) -> Iterator[None]:
    """Let ``redact`` take the secrets out of every line and traceback that is written until the end of the block.

    Each of several runs in one process has a block of its own; all that are open apply. One that an exception ends
    stays open, since somebody is going to print it.
    """
    _redacts.append(redact)
    yield
    _redacts.remove(redact)


def redacted(text: str) -> str:
    """Return a text without the secrets of all runs: for words that are written elsewhere, as those of an error."""
    for redact in tuple(_redacts):
        text = redact(text)
    return text


def warn(event: str, **facts: object) -> None:
    """Note something odd."""
    _logger().warning(event, **facts)


def failed(event: str, **facts: object) -> None:
    """Note an exception that is being handled, with its traceback."""
    _logger().exception(event, **facts)


def _logger() -> "structlog.typing.FilteringBoundLogger":
    # Imported when there is something to say: it takes 0.1 s, a fifth of the start of a command that says nothing.
    import structlog  # noqa: PLC0415

    if not structlog.is_configured():
        _configure()
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger


def _configure() -> None:
    import structlog  # noqa: PLC0415 -- as above

    structlog.configure(
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.dev.set_exc_info,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # Its own tracebacks show local variables, and fold lines: a secret would stand in pieces.
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
            lambda _logger, _method, line: redacted(str(line)),
        ],
    )
