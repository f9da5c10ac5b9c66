"""What runs beside the steps and ends with the run: services and detached steps."""

import threading
from collections.abc import Callable
from functools import partial

from runner.engine.backend import Ending
from runner.engine.cancel import Inbox, Ladder, Stop, Wake, await_ending
from runner.engine.events import Notice
from runner.engine.job import Context, Task
from runner.engine.specs import Release, StepSpec
from runner.engine.start import fetch_at_start, release_of, start_of
from runner.engine.step import Launch, fail, forgo, launch, listen, settle
from runner.errors import InfrastructureError
from runner.naming import SERVICES, Address
from runner.plan.mapping import MappingError
from runner.plan.model import Service, Step
from runner.plan.status import Status


class Beside:
    """The containers of a run that nobody waits for. How they end has no effect on the run."""

    def __init__(self, context: Context, woken: Callable[[Address], None]) -> None:
        self._context = context
        self._woken = woken
        self._live: dict[Address, Inbox] = {}
        self._ending: tuple[Inbox, ...] = ()
        self._hurried = False
        self._lock = threading.Lock()

    def start_service(self, service: Service) -> None:
        """Start a service.

        Raises:
            InfrastructureError: it could not be started; the journal says so.
        """
        environment = {**self._context.job.plan.environment, **service.environment}
        spec = StepSpec(
            address=Address(self._context.job.id, SERVICES, service.name),
            image=service.image,
            entrypoint=service.entrypoint,
            environment=environment,
            user=service.user,
            alias=service.name,
            workspace=False,
            ulimits=service.ulimits,
            privileged=service.privileged,
        )
        fetch = fetch_at_start(service)
        self._start(spec, lambda: Release(environment=environment), lambda: None, fetch=fetch)

    def start_step(self, step: Step, address: Address, stopped: Callable[[], Stop | None] = lambda: None) -> None:
        """Start a detached step of an open stage, unless ``stopped`` says that it is to end before it has begun.

        Raises:
            InfrastructureError: it could not be started; the journal says so.
        """
        try:
            start = start_of(self._context, step, address)
        except MappingError as error:
            wrong = InfrastructureError(error.message, hint=error.hint)
            fail(self._context, address, wrong)
            raise wrong from error
        except InfrastructureError as error:
            fail(self._context, address, error)
            raise
        self._start(start.spec, lambda: release_of(self._context, start), stopped, fetch=start.fetch)

    def take_up(self, address: Address) -> None:
        """Hear again of what an earlier life has started, without starting it again; its stage may have ended since."""
        with self._lock:
            if address in self._live:
                return
        wake = self._enter(address)
        try:
            listen(self._context, address, wake)
        except InfrastructureError as error:
            with self._lock:
                self._live.pop(address, None)
            settle(self._context, address, Ending(exit_code=None, reason=error.message), None)

    def conclude(self, address: Address) -> None:
        """Write the end of a container that has ended by itself; do nothing while it goes on."""
        with self._lock:
            if address not in self._live:
                return
        try:
            ending = self._context.backend.conclude(address)
        except InfrastructureError as error:
            # Asked once more at the end of the run: its trouble is not the run's.
            self._context.ledger.tell(Notice(f"could not see how it stands: {error.message}", address))
            return
        if ending is None:
            return
        with self._lock:
            if self._live.pop(address, None) is None:
                return
        settle(self._context, address, ending, None)

    def end(self, stage: Address | None = None) -> None:
        """End what still runs, all at the same time: of one round of a stage, or of the whole run.

        Raises:
            AbandonedError: this driver can go on no longer; nothing was ended.
        """
        self._context.ledger.confirm()
        with self._lock:
            going = [a for a in self._live if stage is None or a.of_stage() == stage]
            inboxes = {address: self._live.pop(address) for address in going}
            self._ending = (*self._ending, *inboxes.values())
        # Looked at after `_ending` is set, so that whoever hurries is either seen here or reaches these inboxes.
        grace = 0.0 if self._hurried else self._context.job.grace
        reason = "it ended with the run" if stage is None else "it ended with the round"
        stop = Stop(status=Status.CANCELLED, reason=reason, grace=grace)
        tasks = [Task(f"end {address}", partial(self._end, address, inboxes[address], stop)) for address in going]
        for task in tasks:
            task.finish()

    def hurry(self) -> None:
        """Kill what is being ended, and what will be; safe in a signal handler."""
        self._hurried = True
        for inbox in self._ending:
            inbox.put(Stop(status=Status.CANCELLED, reason="it was killed", grace=0.0))

    def _start(
        self,
        spec: StepSpec,
        release: Callable[[], Release],
        stopped: Callable[[], Stop | None],
        *,
        fetch: bool | None,
    ) -> None:
        address = spec.address
        wake = self._enter(address)
        try:
            found = launch(self._context, Launch(spec=spec, fetch=fetch, release=release, wake=wake, stopped=stopped))
        except InfrastructureError as error:
            with self._lock:
                self._live.pop(address, None)
            fail(self._context, address, error)
            raise
        if found is None:
            return
        with self._lock:
            self._live.pop(address, None)
        if isinstance(found, Stop):
            forgo(self._context, address, found)
        else:
            settle(self._context, address, found, None)

    def _enter(self, address: Address) -> Callable[[], None]:
        """Count a container as one that runs; return what wakes whoever waits for its end."""
        inbox: Inbox = Inbox()

        def wake() -> None:
            inbox.put(Wake())
            self._woken(address)

        with self._lock:
            self._live[address] = inbox
        return wake

    def _end(self, address: Address, inbox: Inbox, stop: Stop) -> None:
        inbox.put(stop)
        context = self._context
        try:
            ladder = Ladder(context.clock, ())
            ending, why = await_ending(context.backend, address, inbox, ladder, context.ledger.confirm)
        except InfrastructureError as error:
            fail(context, address, error)
        else:
            settle(context, address, ending, why)
