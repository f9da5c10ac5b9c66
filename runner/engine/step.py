"""One step: its attempts, each from its intent in the journal to the fact of how it ended."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace

from runner import naming
from runner.clock import Deadline
from runner.engine.aftermath import goes_on, keep_artifacts, look_around
from runner.engine.backend import Ending, Phase
from runner.engine.cancel import Inbox, Ladder, Limit, Stop, Wake, await_ending
from runner.engine.events import Notice, Printing, Pulling
from runner.engine.job import Context, Task
from runner.engine.specs import Release, StepSpec
from runner.engine.start import Start, release_of, start_of
from runner.errors import (
    EngineRefusedError,
    EngineTimeoutError,
    EngineUnavailableError,
    ImageError,
    InfrastructureError,
)
from runner.naming import Address
from runner.plan.mapping import MappingError
from runner.plan.model import Step
from runner.plan.status import Status
from runner.records import record

_LOOK_SECONDS = 0.1
"""How often a pull that only one step waits for is asked whether anybody still wants it."""
_HEAR_SECONDS, _HURRIED_SECONDS = 15.0, 1.0
"""How long is waited for what an attempt of an earlier life has printed last, also where its stage is to end."""


_GONE = "its container was gone when the runner came back"


@record
class Scope:
    """What a step needs to know of the round of the stage around it."""

    context: Context
    stage: Address
    inbox: Inbox
    limits: tuple[Limit, ...]
    stopped: Callable[[], Stop | None]
    """Says whether the stage is to end; a message in the inbox alone could be taken by an attempt that just ended."""
    asked: Callable[[], Stop | None]
    """Says whether the stage was told to end from outside, whatever else has ended it before."""
    begin: Callable[[], None]
    """Is called before a step is released: the first of the stage may change what was there before it."""
    untimed: Callable[[], AbstractContextManager[None]]
    """Makes a block in which the time of the stage stands still."""


def run_step(scope: Scope, step: Step, meanwhile: Callable[[], None]) -> Stop | None:
    """Run a step to its end, with all its attempts; ``meanwhile`` is called when one has started.

    Returns the stop of the stage that ended it, if one did; the step's own timeout is not one.

    Raises:
        AbandonedError: this driver can go on no longer.
    """
    while True:
        address = scope.context.ledger.step(scope.stage, step.name)
        standing = scope.context.ledger.standing(address)
        if standing.status.ended:
            if scope.context.ledger.ask(lambda state: state.step_done(scope.stage, step)):
                return None
            if (stop := scope.stopped()) is not None:
                return stop
            address = replace(address, attempt=address.attempt + 1)
        stop = _attempt(scope, step, address, meanwhile)
        if stop is not None:
            return stop


@record
class Launch:
    """How an attempt is started. ``release`` is asked at its release, ``stopped`` says whether it is to end before.

    ``fetch`` is that of ``Start``.
    """

    spec: StepSpec
    fetch: bool | None
    release: Callable[[], Release]
    wake: Callable[[], None]
    stopped: Callable[[], Stop | None]


def launch(context: Context, what: Launch) -> Stop | Ending | None:
    """Bring an attempt from its intent to the point where it runs.

    Or not, and return the stop that was in the way; or the ending of one that an earlier life has started, and that is
    gone. One of an earlier life that runs, or has ended since, is taken up even if it is to end.

    Raises:
        InfrastructureError: it could not be started; nothing of it runs.
    """
    spec = what.spec
    address = spec.address
    phase: Phase | None = None
    begun = context.ledger.standing(address).status is Status.RUNNING
    if begun:
        phase = _resume(context, what)
    else:
        context.ledger.record(address, Status.RUNNING)
    if phase is None:
        if what.fetch is not None:
            _fetch(context, spec.image, what.stopped, always=what.fetch)
        if (stop := what.stopped()) is not None:
            return stop
        phase = context.backend.prepare(spec)
    # Whoever has removed the volumes of a run as well has taken the backend's proof; what the attempt printed is left.
    printed = begun and spec.workspace and context.logs.holds(naming.log(address))
    if phase is Phase.GONE or (phase is Phase.READY and printed):
        return Ending(exit_code=None, reason=_GONE)
    if phase is Phase.READY and (stop := what.stopped()) is not None:
        return stop
    listen(context, address, what.wake)
    if phase is Phase.READY:
        context.ledger.confirm()
        context.backend.release(address, what.release())
    return None


def _resume(context: Context, what: Launch) -> Phase | None:
    """Return how far an earlier life has come with an attempt; None if its image must be pulled first.

    What runs already is not pulled again.
    """
    try:
        phase = context.backend.prepare(what.spec)
    except ImageError:
        if what.fetch is None:
            raise
        return None
    if phase is Phase.READY and what.fetch is not None:
        discard(context, what.spec.address)
        return None
    return phase


def listen(context: Context, address: Address, wake: Callable[[], None]) -> None:
    """Keep what an attempt prints from now on, and hear of its end.

    Raises:
        InfrastructureError: it is gone.
    """
    log = naming.log(address)
    context.ledger.tell(Printing(address, log))
    context.backend.follow(address, context.logs.open(log), wake)


def hear_out(context: Context, address: Address, asked: Callable[[], Stop | None]) -> None:
    """Keep what is left of the output of an attempt that has succeeded, if its container is still there; remove that.

    Where it is not, everything has been kept: it is removed only then. ``asked`` as in ``Scope``.

    Raises:
        AbandonedError: this driver can go on no longer.
    """
    log = context.logs.open(naming.log(address))
    context.ledger.tell(Printing(address, naming.log(address)))
    patience, hurry, news = Deadline(_HEAR_SECONDS), Deadline(_HURRIED_SECONDS), threading.Event()
    try:
        context.backend.follow(address, log, news.set)
        while context.backend.conclude(address) is None:
            if patience.passed or (hurry.passed and asked() is not None):
                context.ledger.confirm()
                log.gap("nobody could wait for the end of the output")
                break
            news.wait(_LOOK_SECONDS)
            news.clear()
        context.ledger.confirm()
        discard(context, address)
    except (EngineUnavailableError, EngineTimeoutError, EngineRefusedError) as error:
        log.gap(f"the end of the output could not be read: {error.message}")
    except InfrastructureError:
        pass  # it is not there
    finally:
        log.close()


def _fetch(context: Context, image: str, stopped: Callable[[], Stop | None], *, always: bool) -> None:
    """Pull an image; when the step is to end meanwhile the download is left behind, it ends by itself."""
    fetching = Task(
        f"fetch {image}",
        lambda: context.backend.fetch(
            image, always=always, report=lambda progress: context.ledger.tell(Pulling(progress))
        ),
    )
    while not fetching.over(_LOOK_SECONDS):
        if stopped() is not None:
            return
    fetching.finish()


def settle(
    context: Context, address: Address, ending: Ending, stop: Stop | None, before: Callable[[], None] = lambda: None
) -> None:
    """Write how an attempt ended, and only then remove it: a crash in between must not run it twice.

    ``before`` is called when it is written, and everything of the attempt is still there.
    """
    status, reason = _judge(ending, stop)
    context.ledger.record(address, status, exit_code=ending.exit_code, reason=reason)
    before()
    discard(context, address)


def forgo(context: Context, address: Address, stop: Stop) -> None:
    """Write that an attempt was not started, because it was to end before it began; remove what there is of it."""
    context.ledger.record(address, stop.status, reason=f"not started: {stop.reason}")
    discard(context, address)


def fail(context: Context, address: Address, error: InfrastructureError) -> None:
    """Write that an attempt ended by an error of ours or of the machine's, and remove what there is of it."""
    context.ledger.record(address, Status.ERROR, reason=error.explained)
    discard(context, address)


def refuse(context: Context, address: Address, error: MappingError) -> None:
    """Write that an attempt has failed before it began, since a reference of the pipeline means nothing."""
    why = error.message + (f" ({error.hint})" if error.hint else "")
    context.ledger.record(address, Status.FAILURE, reason=why)
    discard(context, address)


def discard(context: Context, address: Address) -> None:
    """Remove an attempt's container; what stays behind is taken by the end of the run."""
    try:
        context.backend.discard(address)
    except InfrastructureError as error:
        context.ledger.tell(Notice(f"could not remove the container: {error.message}", address))


def _attempt(scope: Scope, step: Step, address: Address, meanwhile: Callable[[], None]) -> Stop | None:
    context = scope.context

    def release() -> Release:
        scope.begin()
        return release_of(context, start)

    try:
        start = start_of(context, step, address)
        what = Launch(
            spec=start.spec,
            fetch=start.fetch,
            release=release,
            wake=lambda: scope.inbox.put(Wake()),
            stopped=scope.stopped,
        )
        found = _run(scope, step, what, meanwhile)
        if isinstance(found, _Ended) and not found.ending.started and found.stop is None:
            discard(context, address)  # somebody else has ended it at its gate, where nothing of it had run
            found = _run(scope, step, what, meanwhile)
    except MappingError as error:
        refuse(context, address, error)
        return None
    except InfrastructureError as error:
        fail(context, address, error)
        return None
    if isinstance(found, Stop):
        forgo(context, address, found)
        return found
    if found.ending.started and goes_on(found.stop):
        # Before the end is written: after a crash in between, they are kept again.
        keep_artifacts(context, step, address, scope.asked)
    settle(context, address, found.ending, found.stop, before=lambda: _pause(scope, step, start))
    return None if found.by_itself else found.stop


@record
class _Ended:
    """How an attempt ended, and the stop that made it end; ``by_itself`` if that was its own limit, not the stage's."""

    ending: Ending
    stop: Stop | None = None
    by_itself: bool = False


def _run(scope: Scope, step: Step, what: Launch, meanwhile: Callable[[], None]) -> Stop | _Ended:
    """Start an attempt and wait until it has ended; or return the stop that was in the way of its start."""
    context = scope.context
    found = launch(context, what)
    if isinstance(found, Stop):
        return found
    if found is not None:
        return _Ended(ending=found)
    limit = _own_limit(context, step)
    ladder = Ladder(context.clock, (*scope.limits, limit) if limit else scope.limits)
    if scope.stopped() is None:
        meanwhile()
    ending, stop = await_ending(context.backend, what.spec.address, scope.inbox, ladder, context.ledger.confirm)
    return _Ended(ending=ending, stop=stop, by_itself=limit is not None and stop is limit.stop)


def _pause(scope: Scope, step: Step, start: Start) -> None:
    if scope.context.on_failure is not None:
        with scope.untimed():
            look_around(scope.context, step, start, scope.stopped)


def _own_limit(context: Context, step: Step) -> Limit | None:
    if step.timeout is None:
        return None
    reason = f"it took longer than {step.timeout:g} s"
    stop = Stop(status=Status.TIMEOUT, reason=reason, grace=context.job.grace)
    return Limit(Deadline(step.timeout, context.clock), stop)


def _judge(ending: Ending, stop: Stop | None) -> tuple[Status, str]:
    if stop is not None:
        return stop.status, stop.reason
    if ending.exit_code is None:
        return Status.LOST, ending.reason
    if not ending.started:
        return Status.ERROR, ending.reason or "it ended before it was released"
    return (Status.SUCCESS if ending.exit_code == 0 else Status.FAILURE), ending.reason
