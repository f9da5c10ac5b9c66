"""What starts async stages in tests of the engine: it outlives drivers, and can be told to fail."""

import json
import threading
from collections.abc import Sequence

from runner.engine.children import Child
from runner.engine.report import ChildReport
from runner.pipelinectl.payload import VERSION, Payload, Request
from runner.plan.model import Stage, Step
from tests.support.plans import stage, step


class Nursery:
    """``engine.children.Children`` in memory.

    ``asked`` are the requests that somebody took up, by id, as often as they did; ``errors`` are raised one after the
    other, before anything else happens.
    """

    def __init__(self, *errors: Exception) -> None:
        self.asked: list[str] = []
        self.errors = list(errors)
        self.broken: Exception | None = None
        """Raised as long as it is set."""
        self._started: dict[str, Request] = {}
        self._lock = threading.Lock()

    def start(self, request: Request) -> Child | None:
        """Start a run, once for each request."""
        with self._lock:
            self.asked.append(request.id)
            if self.errors:
                raise self.errors.pop(0)
            if self.broken is not None:
                raise self.broken
            new = request.id not in self._started
            self._started.setdefault(request.id, request)
        return Child(stage=request.payload.stage, id=request.id) if new else None

    def all(self) -> Sequence[ChildReport]:
        """Return those that were started, none of which has begun."""
        return [{"stage": each.payload.stage, "id": each.id, "status": "pending"} for each in self._started.values()]

    @property
    def stages(self) -> list[str]:
        """The names of those that were started."""
        return [each.payload.stage for each in self._started.values()]

    @property
    def ids(self) -> list[str]:
        """Their ids."""
        return list(self._started)

    @property
    def payloads(self) -> list[Payload]:
        """What they were handed."""
        return [each.payload for each in self._started.values()]


def apart(name: str, *steps: Step) -> Stage:
    """Return an async stage."""
    return stage(name, *(steps or (step("x"),)), async_=True)


def triggering(name: str, *stages: str, fake: dict[str, str] | None = None, **fields: object) -> Step:
    """Return a step that starts async stages, as ``trigger-task`` does."""
    return step(name, fake={"FAKE_TRIGGER": ":".join(stages), **(fake or {})}, **fields)  # type: ignore[arg-type]  # of `step`


def request(stage: str, run: str = "0000cafe", **more: object) -> dict[str, bytes]:
    """Return a file of ``layout.REQUESTS`` by its name."""
    return {f"{run}.{stage}": json.dumps({"version": VERSION, **more}).encode()}
