"""One stage: its rounds, and in each its steps in their order. One thread drives it."""

from dataclasses import replace
from typing import Final

from runner.clock import Deadline
from runner.engine.ahead import Ahead
from runner.engine.backend import TRAILING
from runner.engine.beside import Beside
from runner.engine.cancel import Inbox, Leave, Limit, Stop
from runner.engine.events import Notice
from runner.engine.job import Context
from runner.engine.layers import stage_spec
from runner.engine.start import is_mapped, variables_of
from runner.engine.state import tried_again
from runner.engine.step import Scope, discard, fail, hear_out, run_step
from runner.engine.stopwatch import Stopwatch
from runner.errors import InfrastructureError
from runner.naming import Address
from runner.pipelinectl.returns import Asked
from runner.plan import rules
from runner.plan.expressions import BadExpressionError
from runner.plan.model import Stage, Step
from runner.plan.status import Status

_GRANTED: Final = {Asked.SKIP: Status.SKIPPED, Asked.STOP: Status.STOPPED, Asked.PAUSE: Status.PAUSED}
_AGAINST: Final = (Status.FAILURE, Status.TIMEOUT, Status.LOST)
"""How a step ends that decides about its stage, if that is to stop."""
_UNSTARTED: Final = dict.fromkeys((Status.SKIPPED, Status.STOPPED), Status.SKIPPED)
"""What becomes of the other steps of a stage that ends like this; else they are cancelled."""


class StageDriver:
    """Drives one stage to its end."""

    def __init__(self, context: Context, stage: Stage, beside: Beside) -> None:
        self._context = context
        self._ledger = context.ledger
        self._stage = stage
        self._beside = beside
        self._ahead = Ahead(context, stage)
        self._inbox = Inbox()
        self._watch = Stopwatch(context.clock)
        self._opened = self._unsaved = False
        self._asked: Stop | None = None  # from outside: it holds for all rounds
        self._ended: Stop | None = None  # why this round ends before its time

    def stop(self, stop: Stop) -> None:
        """Ask the stage to end before its time; from any thread."""
        # In this order: a round that begins meanwhile looks at `_asked` after it has made its inbox.
        self._asked = stop
        self._inbox.put(stop)

    def leave(self) -> None:
        """Begin nothing and wait for nothing any more, since this driver goes on no longer; from any thread."""
        self._asked = Stop(status=Status.CANCELLED, reason="this driver goes on no longer", grace=0.0)
        self._inbox.put(Leave())

    def run(self) -> None:
        """Run round after round, until one is not to be repeated, or paused.

        Raises:
            AbandonedError: this driver can go on no longer.
        """
        try:
            self._run()
        finally:
            self._ahead.wait()  # this driver may be followed by another

    def _run(self) -> None:
        while not self._ledger.ask(lambda state: state.stage_done(self._stage)):
            address = self._ledger.stage(self._stage.name)
            if self._ledger.standing(address).status.ended:
                if self._asked is not None:
                    return
                address = replace(address, round=address.round + 1)
            self._round(address)
            if self._ledger.standing(address).status is Status.PAUSED:
                return

    def _round(self, address: Address) -> None:
        self._inbox, self._ended, self._opened, self._unsaved = Inbox(), None, False, False
        if self._asked is not None:
            self._inbox.put(self._asked)  # for what an earlier life has started
        if self._ledger.standing(address).status is not Status.RUNNING:
            self._ledger.record(address, Status.RUNNING)
        else:
            self._catch_up(address)
        try:
            self._run_steps(address)
        except InfrastructureError as error:
            self._ended = Stop(status=Status.ERROR, reason=error.explained, grace=0.0)
        self._ledger.confirm()
        self._ahead.drop()
        if self._opened and self._context.job.plan.outputs:
            self._context.outputs.hide(address)
        status, reason = self._outcome(address)
        if tried_again(status, address.round, self._stage.retry):
            self._beside.end(address)
        try:
            self._close(address, last=status is not Status.PAUSED)
        except InfrastructureError as error:
            status, reason = Status.ERROR, error.explained  # others would stand on what is not there
        if status is Status.PAUSED:
            self._ledger.record(address, status, reason=reason)
            return
        write_off(self._context, self._stage, address, reason or f"the stage ended as {status}", _UNSTARTED.get(status))
        if not tried_again(status, address.round, self._stage.retry) and self._matters():
            self._context.values.stage_ended(self._stage.name, status, forgave=self._forgave(address))
        self._ledger.record(address, status, reason=reason)

    def _catch_up(self, address: Address) -> None:
        """Keep what successful steps have printed last: the life in which they ended may not have come to that."""
        attempts = [self._ledger.step(address, step.name) for step in self._stage.steps if not step.detach]
        successful = [each for each in attempts if self._ledger.standing(each).status is Status.SUCCESS]
        for attempt in successful[-TRAILING:]:
            hear_out(self._context, attempt, lambda: self._asked)

    def _run_steps(self, address: Address) -> None:
        limits = self._limits()
        scope = Scope(
            context=self._context,
            stage=address,
            inbox=self._inbox,
            limits=limits,
            stopped=lambda: self._look(limits),
            asked=lambda: self._asked,
            begin=lambda: self._begin(address),
            untimed=self._watch.held,
        )
        for step in self._stage.steps:
            if self._look(limits) is not None and not self._left(address, step):
                continue
            if self._wanted(address, step):
                self._open(address)
                self._run_one(scope, step)
            # Also one of an earlier life, which ended before the stage could be written off.
            if self._counted(address, step) is Status.ERROR:
                return
            if is_mapped(step):
                self._heed(self._ledger.step(address, step.name), step)

    def _left(self, stage: Address, step: Step) -> bool:
        """Whether an earlier life has begun a step, which is then ended as any other; it may have ended by itself."""
        status = self._ledger.standing(self._ledger.step(stage, step.name)).status
        return status is Status.RUNNING and not step.detach

    def _run_one(self, scope: Scope, step: Step) -> None:
        if step.detach:
            self._begin(scope.stage)
            self._beside.start_step(step, self._ledger.step(scope.stage, step.name), scope.stopped)
        else:
            attempt = self._ledger.step(scope.stage, step.name)
            self._ahead.turn(step, attempt, goes_on=scope.stopped() is None)
            self._ended = run_step(scope, step, self._ahead.after(step, scope.stage)) or self._ended

    def _heed(self, attempt: Address, step: Step) -> None:
        """Do what a step has asked for that has ended, and what the end of one means that decides about the stage."""
        if self._ended is not None or self._ledger.ask(lambda state: state.passed(attempt)):
            return
        counted = self._counted(attempt.of_stage(), step)
        if self._ledger.standing(attempt).status is Status.SUCCESS:
            wish = self._context.scopes.wish(attempt)
            if wish is not None and (step.evaluates or wish.asked is not Asked.STOP):
                reason = wish.message or f"step {step.name} asked for it"
                self._ended = Stop(status=_GRANTED[wish.asked], reason=reason, grace=0.0)
        elif step.evaluates and counted in _AGAINST:
            reason = self._ledger.ask(lambda state: state.stage_reason(attempt.of_stage(), counted))
            self._ended = Stop(status=Status.STOPPED, reason=reason, grace=0.0)

    def _wanted(self, stage: Address, step: Step) -> bool:
        """Decide by status whether a step runs, right before it would."""
        if self._ledger.ask(lambda state: state.step_done(stage, step)):
            return False
        address = self._ledger.step(stage, step.name)
        if self._ledger.standing(address).status is not Status.PENDING:
            return True  # decided in an earlier life
        if step.skip:
            self._ledger.record(address, Status.SKIPPED, reason=step.skip)
            return False
        try:
            verdict = self._judge(stage, step)
        except BadExpressionError as error:
            fail(self._context, address, InfrastructureError(f"ruleset of step {step.name}: {error}", hint=error.hint))
            return False
        if not verdict.holds:
            self._ahead.drop()
            self._ledger.record(address, Status.SKIPPED, reason=verdict.why)
        return verdict.holds

    def _judge(self, stage: Address, step: Step) -> rules.Verdict:
        """Look at the rules of a step; those on its variables see what other steps have left."""
        variables = None
        if rules.asks_environment(step.ruleset, self._stage.ruleset):
            self._open(stage)
            variables = variables_of(self._context, step, stage)
        status = self._ledger.ask(lambda state: state.rule_status(self._stage))
        facts = self._context.job.plan.facts
        return rules.runs(step.ruleset, facts, status, environment=variables, around=self._stage.ruleset)

    def _counted(self, stage: Address, step: Step) -> Status:
        return self._ledger.ask(lambda state: state.counted(stage, step))

    def _look(self, limits: tuple[Limit, ...]) -> Stop | None:
        passed = next((limit.stop for limit in limits if limit.deadline.passed), None)
        self._ended = self._ended or self._asked or passed
        return self._ended

    def _limits(self) -> tuple[Limit, ...]:
        seconds = self._stage.timeout
        if seconds is None:
            return ()
        reason = f"the stage took longer than {seconds:g} s"
        stop = Stop(status=Status.TIMEOUT, reason=reason, grace=self._context.job.grace)
        return (Limit(Deadline(seconds, self._watch), stop),)

    def _open(self, address: Address) -> None:
        """Open the stage, once for each round."""
        if self._opened:
            return
        spec = self._ledger.ask(lambda state: stage_spec(state, address))
        begun = self._ledger.ask(lambda state: state.worked(address))
        self._context.backend.open_stage(spec, self._sandbox_lost)
        self._unsaved = not begun
        self._opened = True

    def _begin(self, address: Address) -> None:
        """Save what was there before the first step of a round, which may have been made ready by then."""
        if self._unsaved:
            self._context.values.save(address)
            self._unsaved = False

    def _sandbox_lost(self, reason: str) -> None:
        stop = Stop(status=Status.ERROR, reason=reason, grace=0.0)
        self._ended = self._ended or stop
        self._inbox.put(stop)

    def _close(self, address: Address, *, last: bool) -> None:
        """Close the stage; it is opened once more if this was not the ``last`` time."""
        job = self._context.job
        stages = self._ledger.plan.stages
        needed = last and (job.export is not None or any(self._stage.name in stage.needs for stage in stages))
        try:
            conflicts = self._context.backend.close_stage(address, needed=needed)
        except InfrastructureError as error:
            if needed:
                raise
            self._ledger.tell(Notice(f"could not close the stage: {error.message}", address))
            return
        for conflict in conflicts:
            text = f"{conflict.earlier} and {conflict.later} both changed {conflict.path}: {conflict.later}'s is seen"
            self._ledger.tell(Notice(text, address))

    def _forgave(self, address: Address) -> bool:
        """Whether a step has failed in a pipeline of IBM's, in which scripts are told of that in any case."""
        steps = [self._ledger.step(address, step.name) for step in self._stage.steps]
        failed = any(self._ledger.standing(step).status is Status.FAILURE for step in steps)
        return bool(self._context.job.plan.kind) and failed

    def _matters(self) -> bool:
        """Whether anybody may look how this stage has ended: a step, or who has ordered the run."""
        if self._context.job.hands_on_values or not self._ledger.ask(lambda state: state.others_done(self._stage)):
            return True
        return any(step.detach for stage in self._ledger.plan.stages for step in stage.steps)

    def _outcome(self, address: Address) -> tuple[Status, str]:
        if self._ended is not None:
            return self._ended.status, self._ended.reason
        status = self._ledger.ask(lambda state: state.stage_outcome(address))
        return status, self._ledger.ask(lambda state: state.stage_reason(address, status))


def write_off(context: Context, stage: Stage, at: Address, reason: str, unstarted: Status | None = None) -> None:
    """Write an ending for the steps of a round that will not start, and for one begun that nobody drives any more.

    Such a one is of an earlier life, and is removed. A detached step that runs ends with the run. Those that have not
    started are cancelled, if not said otherwise.
    """
    for step in stage.steps:
        address = context.ledger.step(at, step.name)
        status = context.ledger.standing(address).status
        if status is Status.PENDING:
            context.ledger.record(address, unstarted or Status.CANCELLED, reason=f"not started: {reason}")
        elif status is Status.RUNNING and not step.detach:
            context.ledger.record(address, Status.CANCELLED, reason=reason)
            discard(context, address)
