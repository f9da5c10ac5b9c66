"""The step that stands at its gate while the one before it runs, so that nobody waits for its container to start."""

import posixpath
from collections.abc import Callable
from pathlib import PurePosixPath

from runner.engine.job import Context, Task
from runner.engine.specs import StepSpec
from runner.engine.start import depends, spec_of
from runner.engine.step import discard
from runner.errors import InfrastructureError
from runner.naming import Address
from runner.plan import rules
from runner.plan.model import Plan, PullPolicy, Stage, Step
from runner.plan.status import Status


class Ahead:
    """The steps of a stage's round that are made ready before their turn; none in a job without ``prestart``.

    That is one behind the step whose turn it is: also while that step is itself still being made ready, as the first of
    all, or since the one before it was shorter than the start of a container.
    """

    def __init__(self, context: Context, stage: Stage) -> None:
        self._context = context
        self._stage = stage
        self._making: dict[Address, Task] = {}

    def after(self, step: Step, stage: Address) -> Callable[[], None]:
        """Return what begins to make the step behind this one ready, if it is likely to run as things stand."""
        return lambda: self._begin(step, stage)

    def turn(self, step: Step, address: Address, *, goes_on: bool) -> None:
        """Wait until the step whose turn has come is ready, if that was begun; all others are discarded.

        If it is not ready yet, the one behind it is begun beside it, as long as the stage ``goes_on``.
        """
        self.drop(but=address)
        task = self._making.get(address)
        if goes_on and (task is None or task.alive):
            self._begin(step, address.of_stage())
        if task is not None:
            del self._making[address]  # no sooner: whoever fails meanwhile waits for it
            task.finish()

    def drop(self, *, but: Address | None = None) -> None:
        """Discard what was or is being made ready, but for the step whose turn has come; nothing of it has run."""
        for address in [address for address in self._making if address != but]:
            self._making.pop(address).finish()
            discard(self._context, address)

    def wait(self) -> None:
        """Wait until nothing is being made any more, and leave everything as it is."""
        for task in self._making.values():
            task.wait()

    def _begin(self, step: Step, stage: Address) -> None:
        following = self._following(step) if self._context.job.prestart else None
        if following is None:
            return
        ledger = self._context.ledger
        address = ledger.step(stage, following.name)
        status = ledger.ask(lambda state: state.rule_status(self._stage))
        facts = self._context.job.plan.facts
        likely = rules.runs(following.ruleset, facts, status, around=self._stage.ruleset).holds
        if address in self._making or not likely or ledger.standing(address).status is not Status.PENDING:
            return
        ledger.record(address, Status.PENDING, reason="made ready")
        spec = spec_of(self._context, following, address)
        self._making[address] = Task(f"make {address.path} ready", lambda: self._make(spec))

    def _make(self, spec: StepSpec) -> None:
        try:
            self._context.backend.prepare(spec)
        except InfrastructureError:
            # The step before may yet make what is missing. When its turn comes it is prepared again, and that counts.
            discard(self._context, spec.address)

    def _following(self, step: Step) -> Step | None:
        """Return the next step, unless only its turn shows what its container is made from, or whether it runs.

        What has paths of this machine can change them, and has the engine's socket perhaps, and so the engine's images.
        """
        steps = self._stage.steps
        following = next(iter(steps[steps.index(step) + 1 :]), None)
        if following is None or following.detach or following.skip:
            return None
        if following.pull is PullPolicy.ON_START or depends(following):
            return None
        if step.volumes or _meets_others(following, self._context.job.plan):
            return None
        return None if rules.asks_environment(following.ruleset, self._stage.ruleset) else following


def _meets_others(step: Step, plan: Plan) -> bool:
    """Whether a step begins, or mounts something, in a directory of the workspace or of a volume.

    An engine makes such a directory when it starts the container. So the step before would find it there, and what it
    puts in its place would not be what a container has that is there already.
    """

    def place(path: str) -> PurePosixPath:
        return PurePosixPath("/", posixpath.normpath(posixpath.join(plan.workdir, path)).lstrip("/"))

    mounted = {*(place(bind.target) for bind in step.volumes), *(place(cache.path) for cache in step.caches)}
    needed = {place(step.working_dir), *mounted} - {place("")}
    return any(other in path.parents for path in needed for other in (place(plan.home), *mounted))
