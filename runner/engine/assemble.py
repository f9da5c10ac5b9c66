"""What a run needs before anything of it runs: its sandbox, its source, its images; all at the same time.

A run that goes on after a crash fetches only what is still to run, and nothing that is present: it was fetched then.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from runner.engine.cancel import Stop
from runner.engine.events import Notice, Pulling
from runner.engine.job import Context, Task
from runner.engine.messages import Messages, Prepared
from runner.engine.start import fetch_at_start
from runner.engine.state import RunState
from runner.naming import SERVICES, Address
from runner.plan.model import PullPolicy, Service, Stage, Step

_BEFOREHAND = {PullPolicy.ALWAYS: True, PullPolicy.NOT_PRESENT: False}
"""The policies whose images are fetched before anything runs, and whether also when they are present."""


def assemble(context: Context, messages: Messages) -> Stop | None:
    """Make everything ready; return the stop that arrived meanwhile, if one did.

    Raises:
        InfrastructureError: something cannot be had; nothing has run.
    """
    spec = replace(context.job.spec, begun=context.ledger.ask(lambda state: state.begun()))

    def open_run() -> None:
        for text in context.backend.open_run(spec):
            context.ledger.tell(Notice(text))

    opening = Task("open run", open_run, done=lambda: messages.put(Prepared()))
    tasks = [opening, *_fetches(context, messages)]
    stop: Stop | None = None

    def waiting() -> bool:
        return any(task.alive for task in tasks) and not any(task.error for task in tasks)

    while stop is None and (waiting() or not messages.empty()):
        message = messages.get()
        stop = message if isinstance(message, Stop) else None
    # A download may be left behind, it ends by itself; what is made for this run may not: somebody must remove it.
    opening.finish()
    for task in tasks:
        if task.error is not None:
            raise task.error
    return stop


def images_of(state: RunState) -> dict[str, bool]:
    """Return the images that are fetched before anything runs, and whether also when they are present."""
    found: dict[str, bool] = {}
    resumed = state.begun()
    for each in _left(state):
        if each.pull in _BEFOREHAND and fetch_at_start(each) is None:
            found[each.image] = not resumed and (found.get(each.image, False) or _BEFOREHAND[each.pull])
    return found


def _left(state: RunState) -> Iterator[Step | Service]:
    """Yield what may still run, or runs."""
    for stage in state.plan.stages:
        if not state.stage_done(stage):
            yield from _left_of(state, stage)
    for service in state.plan.needed_services:
        if not state.standing(Address(state.run, SERVICES, service.name)).status.ended:
            yield service


def _left_of(state: RunState, stage: Stage) -> Iterator[Step]:
    address = state.stage(stage.name)
    repeated = address.round <= stage.retry
    return (step for step in stage.steps if not step.skip and (repeated or not state.step_done(address, step)))


def _fetches(context: Context, messages: Messages) -> list[Task]:
    def fetch(image: str, always: bool) -> None:  # noqa: FBT001 - a closure with one caller
        context.backend.fetch(image, always=always, report=lambda progress: context.ledger.tell(Pulling(progress)))

    return [
        Task(f"fetch {image}", partial(fetch, image, always), done=lambda: messages.put(Prepared()))
        for image, always in context.ledger.ask(images_of).items()
    ]
