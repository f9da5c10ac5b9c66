"""What is asked for of the look of a run; ``faces`` has what it then looks like."""

from runner.cli.console import say
from runner.cli.options import OutputFormat
from runner.clock import SystemClock
from runner.records import record


@record
class Look:
    """How a run is to look. ``quiet``, ``timestamps`` and ``color`` are for people: events stay as they are."""

    output: OutputFormat
    quiet: bool = False
    timestamps: bool = False
    color: bool = True

    def say(self, *lines: str) -> None:
        """Write lines for people: to stdout only where nothing else is expected there."""
        lead = _lead() if self.timestamps else ""
        shown = [] if self.quiet else [lead + line for text in lines for line in text.splitlines()]
        if shown:
            say("\n".join(shown), err=self.output is not OutputFormat.TEXT)


def _lead() -> str:
    from runner.cli.plain import stamp  # noqa: PLC0415 - what shows runs takes long to import

    return f"{stamp(SystemClock().now())} "
