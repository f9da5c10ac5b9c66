"""What goes wrong inside the runner itself, for whoever mends it: structured lines on stderr, never on stdout."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import structlog


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
        structlog.configure(logger_factory=structlog.WriteLoggerFactory(sys.stderr))
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger
