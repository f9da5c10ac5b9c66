"""The options that say how a run is to look."""

import os
from typing import TYPE_CHECKING

from runner.cli import options
from runner.cli.options import OutputFormat

if TYPE_CHECKING:
    from runner.cli.look import Look


def look(
    *,
    output: options.Output = OutputFormat.TEXT,
    quiet: options.Quiet = False,
    timestamps: options.Timestamps = False,
    no_color: options.NoColor = False,
) -> "Look":
    """Return what the options say."""
    from runner.cli.look import Look  # noqa: PLC0415 - --help and completion do without it

    color = not no_color and not os.environ.get("NO_COLOR")
    return Look(output=output, quiet=quiet, timestamps=timestamps, color=color)
