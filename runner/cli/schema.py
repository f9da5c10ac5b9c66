"""``runner schema``: what a pipeline may hold, for editors."""

import json

from runner.cli.console import say
from runner.dialects.schema import to_schema
from runner.dialects.vela.keys import PIPELINE


def schema_command() -> None:
    """Print the JSON Schema of a pipeline, for editors: red underlines, completion, a line about each key."""
    say(json.dumps(to_schema(PIPELINE, "A pipeline of runner, in Vela's format"), indent=2))
