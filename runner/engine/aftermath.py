"""What is done between the end of an attempt and its removal: artifacts are kept, and a person may look around."""

from collections.abc import Callable

from runner.engine.cancel import Stop
from runner.engine.events import Notice
from runner.engine.job import Context
from runner.engine.start import Start, release_of
from runner.errors import InfrastructureError, UnwantedError
from runner.naming import Address, file_name
from runner.plan.model import Step
from runner.plan.status import Status


def goes_on(stop: Stop | None) -> bool:
    """Whether whoever ordered the run still wants what it leaves: time that is up does not change that."""
    return stop is None or stop.status is Status.TIMEOUT


def keep_artifacts(context: Context, step: Step, address: Address, asked: Callable[[], Stop | None]) -> None:
    """Copy the files out that an attempt has left, until the stage is asked to end; this changes no status."""
    folder = context.job.artifacts
    if folder is None or not step.artifacts:
        return
    into = folder / file_name(address.stage)
    notes: tuple[str, ...]
    try:
        notes = context.backend.collect(address, step.artifacts, into, wanted=lambda: asked() is None)
    except UnwantedError:
        stop = asked()
        notes = (f"its artifacts were not all copied: {stop.reason if stop else 'nobody wants them any more'}",)
    except InfrastructureError as error:
        notes = (f"its artifacts could not be kept: {error.explained}",)
    for note in notes:
        context.ledger.tell(Notice(note, address))


def look_around(context: Context, step: Step, start: Start, stopped: Callable[[], Stop | None]) -> None:
    """Call ``on_failure`` if the step has failed, or took too long, and no further attempt will come."""
    address = start.spec.address
    failed = context.ledger.standing(address).status in (Status.FAILURE, Status.TIMEOUT)
    if context.on_failure is None or not failed:
        return
    stop = stopped()
    if not goes_on(stop) or _comes_again(context, step, address, stop):
        return
    try:
        context.on_failure(start.spec, release_of(context, start))
    except InfrastructureError as error:
        context.ledger.tell(Notice(f"nobody could look around: {error.explained}", address))


def _comes_again(context: Context, step: Step, address: Address, stop: Stop | None) -> bool:
    """Whether a further attempt of a failed step will come, or a further round of its stage."""
    if stop is None and context.ledger.ask(lambda state: state.comes_again(address, step)):
        return True
    return not step.ruleset.proceed and address.round <= context.ledger.plan.stage(address.stage).retry
