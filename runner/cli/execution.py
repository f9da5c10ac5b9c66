"""What ``runner exec`` and ``rerun`` do with what is to run: nothing at all, or a run."""

import json
from contextlib import nullcontext
from typing import TYPE_CHECKING

from runner.cli.console import say
from runner.cli.early import here
from runner.cli.exec_options import Ends
from runner.cli.exits import nothing_to_run
from runner.cli.importing import importing
from runner.cli.options import OutputFormat
from runner.dispatch.orders import Order
from runner.errors import ExitCode
from runner.store.runs import Kinship

if TYPE_CHECKING:
    from runner.dispatch.place import Local


def execute(about: str, order: Order, ends: Ends, kinship: Kinship | None = None, begun: "Local | None" = None) -> int:
    """Run what is ordered, if that is anything, and show it; return the exit code. ``about`` says what it is.

    ``begun`` is this machine as the place of the run, if whoever calls has it already.

    Raises:
        UsageError: a setting cannot be read.
        InfrastructureError: no engine answers, the journal cannot be kept, or the output cannot be written.
    """
    plan, look = order.plan, ends.look
    if not plan.stages:
        from runner.cli.compile import describe  # noqa: PLC0415 - most pipelines have something to run

        look.say(about, *describe(plan))
        if look.output is OutputFormat.JSON:
            say(json.dumps(nothing_to_run(plan), indent=2))
        return ExitCode.SUCCESS
    look.say(about, *plan.warnings)
    with nullcontext(begun) if begun else here() as place:
        run = place.reserve(plan)
        with importing(begun=True):
            from runner.cli.running import drive  # noqa: PLC0415 - while the engine makes the run's sandbox

        return drive(place, run, order, ends, kinship)
