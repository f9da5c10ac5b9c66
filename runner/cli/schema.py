"""``runner schema``: what a pipeline may hold, for editors."""

import json

from runner.cli import options
from runner.cli.console import say
from runner.dialects.schema import schema_of


def schema_command(*, dialect: options.DialectName = "") -> None:
    """Print the JSON Schema of a pipeline, for editors: red underlines, completion, a line about each key."""
    say(json.dumps(schema_of(dialect), indent=2))
