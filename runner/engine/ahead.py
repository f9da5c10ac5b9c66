"""The step that stands at its gate while the one before it runs, so that nobody waits for its container to start."""

from collections.abc import Callable

from runner.engine.job import Context
from runner.engine.start import depends, spec_of
from runner.engine.step import discard
from runner.errors import InfrastructureError
from runner.naming import Address
from runner.plan import rules
from runner.plan.model import PullPolicy, Stage, Step
from runner.plan.status import Status


class Ahead:
    """At most one step of a stage's round, prepared before its turn."""

    def __init__(self, context: Context, stage: Stage) -> None:
        self._context = context
        self._stage = stage
        self._parked: Address | None = None

    def after(self, step: Step, stage: Address) -> Callable[[], None]:
        """Return what prepares the step behind this one, if it is likely to run as things stand."""
        return lambda: self._prepare(step, stage)

    def drop(self, *, but: Address | None = None) -> None:
        """Discard the parked step, unless it is the one whose turn has come; nothing of it has run."""
        parked, self._parked = self._parked, None
        if parked is not None and parked != but:
            discard(self._context, parked)

    def _prepare(self, step: Step, stage: Address) -> None:
        following = self._following(step)
        if following is None or self._parked is not None:
            return
        ledger = self._context.ledger
        address = ledger.step(stage, following.name)
        status = ledger.ask(lambda state: state.rule_status(self._stage))
        facts = self._context.job.plan.facts
        likely = rules.runs(following.ruleset, facts, status, around=self._stage.ruleset).holds
        if not likely or ledger.standing(address).status is not Status.PENDING:
            return
        ledger.record(address, Status.PENDING, reason="made ready")
        self._parked = address
        try:
            self._context.backend.prepare(spec_of(self._context, following, address))
        except InfrastructureError:
            # The step before may yet make what is missing. When its turn comes it is prepared again, and that counts.
            self.drop()

    def _following(self, step: Step) -> Step | None:
        """Return the next step, unless only its turn shows what its container is made from, or whether it runs."""
        steps = self._stage.steps
        following = next(iter(steps[steps.index(step) + 1 :]), None)
        if following is None or following.detach or following.skip:
            return None
        if following.pull is PullPolicy.ON_START or depends(following):
            return None
        return None if rules.asks_environment(following.ruleset, self._stage.ruleset) else following
