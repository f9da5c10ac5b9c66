"""What is said of a run that has been submitted."""

import json

from runner.cli.client.daemon import Daemon
from runner.cli.console import say
from runner.cli.look import Look
from runner.cli.options import OutputFormat
from runner.dispatch.requests import Submitted
from runner.errors import ExitCode


def announce(daemon: Daemon, submitted: Submitted, look: Look, *, follow: bool) -> int:
    """Print the id of a run, or ``follow`` it; return the exit code. What else is known of it goes to stderr.

    Raises:
        RunnerError: what the daemon says instead of the run.
    """
    told = [line for line in (submitted.subject, *submitted.notes) if line]
    if follow:
        look.say(*told)
        return _followed(daemon, submitted.id, look)
    if told and not look.quiet:
        say("\n".join(told), err=True)
    if look.output is OutputFormat.JSON:
        say(json.dumps({"id": submitted.id}))
    elif submitted.id:
        say(submitted.id)
    return ExitCode.SUCCESS


def _followed(daemon: Daemon, run: str, look: Look) -> int:
    from runner.cli.client.following import follow  # noqa: PLC0415 - who does not follow waits less

    if run:
        look.say(f"run {run}")
        return follow(daemon, run, look, cancels=True)
    if look.output is OutputFormat.JSON:
        from runner.cli.exits import nothing_to_run  # noqa: PLC0415 - as above
        from runner.plan.model import Plan  # noqa: PLC0415 - as above

        say(json.dumps(nothing_to_run(Plan(dialect="", stages=())), indent=2))
    return ExitCode.SUCCESS
