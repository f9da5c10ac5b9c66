"""What the end of a run means for the command that has shown it."""

from runner.engine.journal import Entry
from runner.engine.report import Report, report
from runner.engine.state import RunState
from runner.errors import ExitCode
from runner.naming import Address
from runner.pipelinectl.values import Store, values_of
from runner.plan.model import Plan
from runner.plan.status import Status

_EXIT_CODES = {
    Status.SUCCESS: ExitCode.SUCCESS,
    Status.FAILURE: ExitCode.FAILURE,
    Status.TIMEOUT: ExitCode.TIMEOUT,
    Status.CANCELLED: ExitCode.INTERRUPTED,
    Status.PAUSED: ExitCode.PAUSED,
}


def exit_code(status: str) -> ExitCode:
    """Return the exit code of a run that has ended so; what is no outcome of a pipeline is the machine's trouble."""
    return _EXIT_CODES.get(Status(status), ExitCode.INFRASTRUCTURE)


def nothing_to_run(plan: Plan) -> Report:
    """Return the document of a run that there was no need for."""
    nothing = Entry(address=Address(""), status=Status.SKIPPED, at=0.0, reason="nothing to run")
    return report(RunState("", plan, [nothing]), values_of(Store()))
