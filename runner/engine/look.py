"""Looking around in a run that has ended, and was kept."""

from runner.clock import SystemClock
from runner.engine.backend import Backend, Terminal
from runner.engine.job import Context, Job, Logs
from runner.engine.journal import Journal, Memory
from runner.engine.layers import stage_spec
from runner.engine.ledger import Ledger
from runner.engine.outputs import Outputs
from runner.engine.scopes import Scopes
from runner.engine.start import release_of, start_of
from runner.engine.state import RunState
from runner.engine.values import Values
from runner.errors import ConflictError
from runner.naming import Address
from runner.plan.mapping import MappingError
from runner.plan.model import Step
from runner.plan.status import Status


def look_around_in(  # noqa: PLR0913 - a run, and what it is seen with
    job: Job, where: Address, terminal: Terminal, *, journal: Journal, backend: Backend, logs: Logs
) -> None:
    """Let a person look around where a step ran; without one where a stage failed, else where its last step ran.

    The workspace is as the stage has left it, and stays as the person leaves it. Nothing is written to the journal.

    Raises:
        ConflictError: the stage has never begun, or another run has done it for this one.
        InfrastructureError: the shell cannot be started.
    """
    known = _copied(journal)
    ledger = Ledger(job.id, job.plan, known, SystemClock(), lambda _: None, inherited=job.inherited)
    stage = ledger.stage(where.stage)
    address = ledger.ask(lambda state: _attempt(state, stage, where.step))
    context = Context(
        job=job,
        backend=backend,
        ledger=ledger,
        logs=logs,
        clock=SystemClock(),
        outputs=Outputs(backend, logs.hide, ledger.tell),
        values=Values(backend, job.id, ledger.tell),
        scopes=Scopes(backend, job.id, ledger),
    )
    try:
        backend.open_run(job.spec)
        backend.open_stage(ledger.ask(lambda state: stage_spec(state, stage)), lambda _: None)
        try:
            start = start_of(context, _step(ledger, address), address)
        except MappingError as error:
            raise ConflictError(error.message, hint=error.hint) from error
        backend.shell(start.spec, release_of(context, start), terminal)
    finally:
        backend.close_stage(stage, needed=False)
        backend.close_run(job.spec, keep=True)


def _copied(journal: Journal) -> Memory:
    copy = Memory()
    writer = copy.take()
    for entry in journal.read():
        writer.append(entry)
    return copy


def _attempt(state: RunState, stage: Address, step: str) -> Address:
    """Return the last attempt of a step; of the first one that did not succeed, or of the last one that was begun."""
    steps = [state.step(stage, each.name) for each in state.plan.stage(stage.stage).steps]
    begun = [address for address in steps if state.standing(address).started is not None]
    found = [address for address in begun if step in ("", address.step)]
    if not found:
        what = f"step {step} of stage {stage.stage}" if step else f"stage {stage.stage}"
        raise ConflictError(f"{what} has not begun in run {state.run}", hint="`runner show` tells which have")
    failed = (address for address in found if state.standing(address).status is not Status.SUCCESS)
    return next(failed, found[-1])


def _step(ledger: Ledger, address: Address) -> Step:
    return next(step for step in ledger.plan.stage(address.stage).steps if step.name == address.step)
