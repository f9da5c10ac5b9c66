"""What the next step needs to know, asked for while the engine still cleans up behind the one that has exited.

That takes the engine 20 ms, and the questions 8. What was asked for too late, in vain or too long ago is asked for
again, in its time.
"""

import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from typing import Generic, TypeVar

from runner.backends.docker.exits import Exits, exit_code
from runner.backends.docker.images import Image
from runner.clock import Deadline
from runner.engine.specs import StepSpec
from runner.naming import Address
from runner.records import record

_THREADS = 4
"""They keep their connections to the engine: to make one takes as long as the answer."""
_FRESH_SECONDS = 0.2
"""How long an answer holds: who comes later has waited for something else, and that may have changed what was there."""
_WATCH_SECONDS = 0.05
"""How long a release waits at most until the exit of its container would be heard of."""

_T = TypeVar("_T")


@record
class _Look(Generic[_T]):
    """A question that was asked beforehand."""

    answer: Future[_T]
    fresh: Deadline = field(default_factory=lambda: Deadline(_FRESH_SECONDS))

    def take(self) -> _T | None:
        """Return the answer, for which this waits; None if nobody has begun to ask, it failed, or is too old."""
        if self.fresh.passed or self.answer.cancel() or self.answer.exception() is not None:
            return None
        return self.answer.result()


@dataclass(kw_only=True)
class _Stage:
    """One open stage, and the container of the step that was released last.

    ``then`` is what is to be done when that step has exited: ``exited`` is the container of which that was heard last,
    and ``confirmed`` what the step really ran in. ``waiting`` has the images of attempts that were not released yet, in
    their order, ``watched`` the containers whose exits are heard of once that has come to its end.
    """

    container: str = ""
    then: Callable[[], None] | None = None
    exited: str = ""
    confirmed: str = ""
    waiting: dict[Address, str] = field(default_factory=dict)
    watched: dict[str, Future[None]] = field(default_factory=dict)
    outputs: _Look[Mapping[str, bytes]] | None = None
    images: dict[Address, _Look[Image]] = field(default_factory=dict)

    def drop(self) -> None:
        """Know no answers any more."""
        self.outputs = None
        self.images.clear()


class Foresight:
    """Answers ``outputs`` and ``describe``, which it is given to ask, beforehand if it can. For use from any thread.

    ``succeeded`` is called with the container of each attempt that the kernel tells to have ended with 0.
    """

    def __init__(
        self,
        exits: Exits,
        outputs: Callable[[Address], Mapping[str, bytes]],
        describe: Callable[[str], Image],
        succeeded: Callable[[str], None],
    ) -> None:
        self._exits = exits
        self._succeeded = succeeded
        self._ask_outputs = outputs
        self._ask_image = describe
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="foresight")
        self._lock = threading.Lock()
        self._stages: dict[Address, _Stage] = {}

    def outputs(self, stage: Address) -> Mapping[str, bytes]:
        """Return what the steps of a run have left, as the last one that was released has left it."""
        with self._lock:
            known = self._stages.get(stage)
            look = known.outputs if known else None
            if known:
                known.outputs = None
        foreseen = look.take() if look else None
        return self._ask_outputs(stage) if foreseen is None else foreseen

    def describe(self, step: StepSpec) -> Image:
        """Return what the image of a step is like, which from now on waits for its release."""
        address = step.address
        with self._lock:
            known = self._stages.get(address.of_stage())
            look = known.images.pop(address, None) if known else None
            same = known is not None and known.waiting.get(address) == step.image
            if known:
                known.waiting[address] = step.image
        foreseen = look.take() if look and same else None
        return foreseen or self._ask_image(step.image)

    def made_ready(self, address: Address, container: str) -> None:
        """Hear of the exit of a container that stands at its gate."""
        with self._lock:
            known = self._stages.setdefault(address.of_stage(), _Stage())
            self._watch(address.of_stage(), known, container)

    def releasing(self, address: Address, container: str, then: Callable[[], None] | None = None) -> None:
        """Know no answers of a stage any more, as an attempt is released that may change them.

        ``container`` is what it runs in; empty if there is none yet, or its exit does not matter. ``then`` is called
        when that is heard to have exited. This waits until it would be, 2 ms at most where the engine is idle: a short
        step has exited by the time that its process is looked for.
        """
        with self._lock:
            known = self._stages.setdefault(address.of_stage(), _Stage())
            known.drop()
            known.container, known.then, known.exited, known.confirmed = container, then, "", ""
            known.waiting.pop(address, None)
            self._watch(address.of_stage(), known, container)
            watching = known.watched.get(container)
        if watching is not None:
            wait([watching], _WATCH_SECONDS)

    def released(self, address: Address, container: str) -> None:
        """Note what a released attempt really runs in, and hear of its exit."""
        with self._lock:
            known = self._stages.get(address.of_stage())
            if known is None:
                return
            if container != known.container:  # the exit of the one before was no end of the step
                known.drop()
                known.container = container
            known.confirmed = container
            self._do_then(known)
            self._watch(address.of_stage(), known, container)

    def ended(self, address: Address, container: str) -> None:
        """Know no outputs any more that were asked for without regard to an attempt of the run that has ended."""
        with self._lock:
            for stage, known in self._stages.items():
                if stage.run == address.run and known.container != container:
                    known.outputs = None

    def discarded(self, address: Address) -> None:
        """Note that an attempt waits no longer."""
        with self._lock:
            if known := self._stages.get(address.of_stage()):
                known.waiting.pop(address, None)

    def drop(self, stage: Address) -> None:
        """Know no answers of a stage any more."""
        with self._lock:
            if known := self._stages.get(stage):
                known.drop()

    def forget(self, address: Address | str) -> None:
        """Know nothing of a stage any more, or of any of a run."""
        with self._lock:
            for stage in [stage for stage in self._stages if address in (stage, stage.run)]:
                del self._stages[stage]

    def close(self) -> None:
        """End the threads; nothing may be released any more, and no exit be heard of."""
        self._threads.shutdown(cancel_futures=True)

    def _watch(self, stage: Address, known: _Stage, container: str) -> None:
        if container and container not in known.watched:
            known.watched[container] = self._threads.submit(
                self._exits.watch, container, lambda process: self._exited(stage, container, process)
            )

    def _exited(self, stage: Address, container: str, process: int) -> None:
        telling = self._threads.submit(self._tell, container, process)
        telling.add_done_callback(lambda _: os.close(process))  # also of one that is cancelled
        with self._lock:
            known = self._stages.get(stage)
            if known is None or known.container != container:
                return
            known.exited = container
            self._do_then(known)
            known.outputs = _Look(answer=self._threads.submit(self._ask_outputs, stage))
            for address, image in islice(known.waiting.items(), 1):
                known.images[address] = _Look(answer=self._threads.submit(self._ask_image, image))

    def _do_then(self, known: _Stage) -> None:
        """Do what was to be done when the step has exited; its gate may have, and have been made anew."""
        if known.then is not None and known.exited and known.exited == known.confirmed:
            self._threads.submit(known.then)
            known.then = None

    def _tell(self, container: str, process: int) -> None:
        if exit_code(process) == 0:
            self._succeeded(container)
