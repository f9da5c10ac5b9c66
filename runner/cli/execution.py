"""What ``runner exec`` and ``rerun`` do with what is to run: nothing at all, or a run."""

import json

from runner.cli.console import say
from runner.cli.exec_options import Ends
from runner.cli.exits import nothing_to_run
from runner.cli.importing import importing
from runner.cli.interrupts import ending
from runner.cli.options import OutputFormat
from runner.dispatch.orders import Order
from runner.errors import ExitCode
from runner.settings import Settings
from runner.store.runs import Kinship


def execute(about: str, order: Order, ends: Ends, kinship: Kinship | None = None) -> int:
    """Run what is ordered, if that is anything, and show it; return the exit code. ``about`` says what it is.

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
    with importing(begun=True):  # a clone, perhaps
        from runner.dispatch.place import local  # noqa: PLC0415 - whoever has nothing to run needs no engine

    with ending(), local(Settings.read()) as place:
        run = place.reserve(plan)
        with importing(begun=True):
            from runner.cli.running import drive  # noqa: PLC0415 - while the engine makes the run's sandbox

        return drive(place, run, order, ends, kinship)
