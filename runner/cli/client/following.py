"""A run of a daemon, shown as ``exec`` shows its own."""

import json
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from runner.cli.client.daemon import Daemon
from runner.cli.client.events import Subscription
from runner.cli.client.mirror import Mirror
from runner.cli.client.signals import LEAVING, cancelling, leaving
from runner.cli.console import give_up, mute, say
from runner.cli.exits import exit_code
from runner.cli.faces import showing
from runner.cli.look import Look
from runner.cli.options import OutputFormat
from runner.cli.printer import Printer
from runner.cli.syntax import explain
from runner.engine.report import Report
from runner.errors import ExitCode
from runner.plan.model import Plan
from runner.plan.status import Status


def follow(daemon: Daemon, run: str, look: Look, *, cancels: bool) -> int:
    """Show a run from its beginning until it ends or is paused; return the exit code that ``exec`` would have.

    With ``cancels`` Ctrl-C and SIGTERM end the run, as in ``exec``. Without, they only end the showing, as a hang-up
    always does: 130 or 143. A reader who goes away ends the showing, too.

    Raises:
        RunnerError: what the daemon says instead, or that it does not answer.
    """
    plan, started = daemon.plan(run), daemon.summary(run).started
    subscription = Subscription(daemon, run)
    with TemporaryDirectory(prefix="runner-") as folder:
        mirror = Mirror(Path(folder))
        begun = datetime.fromisoformat(started) if started else None
        with showing(look, plan, mirror.logs, begun) as shown:
            printer = Printer(mirror.logs, shown.face, closed=subscription.stop)
            with (
                cancelling(daemon, subscription, printer.observe, shown.say)
                if cancels
                else leaving(subscription.stop, *LEAVING)
            ) as arrived:
                try:
                    for item in subscription.items():
                        mirror.take(item, printer.observe)
                finally:
                    mirror.close()
                    printer.finish()
    if printer.failure is not None:
        mute(printer.failure)
        return arrived() or give_up(printer.failure)
    if subscription.report is None:
        look.say(f"run {run} may go on: `runner show {run}` tells")
        return arrived() or ExitCode.INTERRUPTED
    code = _tell(subscription.report, plan, look)
    return arrived() or code


def _tell(document: Report, plan: Plan, look: Look) -> ExitCode:
    look.say(*(f"note: {line}" for line in explain(plan, document)))
    if document["run"]["status"] == Status.PAUSED:
        look.say(f"run {document['run']['id']} is paused: `runner resume {document['run']['id']}` has it go on")
    if look.output is OutputFormat.JSON:
        say(json.dumps(document, indent=2))
    return exit_code(document["run"]["status"])
