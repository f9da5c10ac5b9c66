"""Steps start when the services can be used: each is looked at until it is ready, or never will be."""

import threading
from collections.abc import Iterable
from contextlib import suppress
from functools import partial

from runner.clock import Deadline
from runner.engine.backend import Readiness
from runner.engine.cancel import Stop
from runner.engine.events import Notice
from runner.engine.job import Context, Task
from runner.engine.messages import Messages, Prepared, Woken
from runner.errors import InfrastructureError
from runner.naming import SERVICES, Address
from runner.plan.model import Service

HEALTHCHECK_SECONDS = 60.0
"""How long a service may take whose image says when it is healthy."""

_FIRST_PAUSE, _LONGEST_PAUSE, _GROWTH = 0.2, 1.0, 1.5
_WORTH_TELLING = 1.0
_OWN_READY = "a `ready` of the service counts instead of its image's HEALTHCHECK"
_ENDING_SECONDS = 5.0
"""How long it may take to learn how a service ended, of which it is known that it has."""

_LEAVING_SECONDS = 0.5
"""How long a look that nobody waits for any more may take, before it is left to end by itself."""


def await_services(context: Context, services: Iterable[Service], messages: Messages) -> Stop | None:
    """Wait until services that were started can be used; return the stop that arrived meanwhile, if one did.

    All other messages are there again when it returns, so that nobody deals with a service while it is looked at.

    Raises:
        InfrastructureError: one cannot be used, or not in time.
    """
    over = threading.Event()
    watches = [_Watch(context, service, over) for service in services]
    tasks = [Task(f"watch {w.name}", w.run, done=partial(messages.put, Prepared())) for w in watches]
    later: list[Woken] = []
    stop: Stop | None = None

    def waiting() -> bool:
        return any(task.alive for task in tasks) and not any(task.error for task in tasks)

    while stop is None and tasks and (waiting() or not messages.empty()):
        match messages.get():
            case Stop() as found:
                stop = found
            case Woken() as woken:
                later.append(woken)
    over.set()
    for task in tasks:
        task.over(_LEAVING_SECONDS)
    for woken in later:
        messages.put(woken)
    error = next((task.error for task in tasks if task.error), None)
    if stop is None and error is not None:
        raise error
    return stop


class _Watch:
    """Looks at one service, in a thread of its own, until it is ready or ``over`` is set."""

    def __init__(self, context: Context, service: Service, over: threading.Event) -> None:
        self.name = service.name
        self._context = context
        self._service = service
        self._over = over
        self._address = Address(context.job.id, SERVICES, service.name)

    def run(self) -> None:
        ready = self._service.ready
        seconds = HEALTHCHECK_SECONDS if ready is None else ready.timeout
        begun, deadline = self._context.clock.monotonic(), Deadline(seconds, self._context.clock)
        pause = _FIRST_PAUSE
        while not self._over.is_set():
            seen = self._look()
            if self._over.is_set():
                return  # nobody wants to know any more: the run may have ended by now
            if seen.ready:
                self._tell(self._context.clock.monotonic() - begun)
                return
            if seen.ended and self._may_end():
                return
            if seen.hopeless:
                hint = "what it printed may say why" if seen.ended else _OWN_READY
                raise InfrastructureError(f"service {self.name} cannot be used: {seen.reason}", hint=hint)
            if deadline.passed:
                hint = _OWN_READY if ready is None else "a longer `timeout` in its `ready` gives it more time"
                text = f"service {self.name} was not ready within {seconds:g} s: {seen.reason}"
                raise InfrastructureError(text, hint=hint)
            self._over.wait(min(pause, deadline.remaining or 0.0))
            pause = min(pause * _GROWTH, _LONGEST_PAUSE)

    def _look(self) -> Readiness:
        try:
            return self._context.backend.probe(self._address, self._service.ready)
        except InfrastructureError as error:
            return Readiness(ready=False, reason=error.message)  # the engine may answer the next time

    def _may_end(self) -> bool:
        """Whether it has ended, and nobody said when it can be used: it may have been made to do one thing."""
        deadline = Deadline(_ENDING_SECONDS, self._context.clock)
        while self._service.ready is None and not (self._over.is_set() or deadline.passed):
            with suppress(InfrastructureError):
                if self._context.backend.conclude(self._address) is not None:
                    return True
            self._over.wait(_FIRST_PAUSE)
        return False

    def _tell(self, seconds: float) -> None:
        if seconds > _WORTH_TELLING:
            self._context.ledger.tell(Notice(f"it was ready after {seconds:.1f} s", self._address))
