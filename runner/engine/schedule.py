"""Which stages of a run can start, which never will, and what is written of those."""

from collections.abc import Callable, Collection, Iterator
from functools import partial

from runner.engine.forking import expand, within_limits
from runner.engine.job import Context
from runner.engine.stage import write_off
from runner.engine.state import RunState
from runner.plan.model import BlockedBy, Stage
from runner.plan.status import Status


class Schedule:
    """The stages of a run, for the thread that drives it.

    ``live`` are the names of those that somebody drives right now; ``stopped`` says that a stage is not to begin a
    further round.
    """

    def __init__(self, context: Context, live: Collection[str], stopped: Callable[[Stage], bool]) -> None:
        self._context = context
        self._ledger = context.ledger
        self._live = live
        self._stopped = stopped
        self._over: set[str] = set()

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages as they are now, with the branches of forks."""
        return self._ledger.plan.stages

    def status(self, stage: Stage) -> Status:
        """Return how a stage stands."""
        return self._ledger.ask(lambda state: state.status(stage.name))

    def done(self, stage: Stage) -> bool:
        """Whether no further round of a stage will come, be it because it was told to stop between two of them."""
        return self._ledger.ask(lambda state: self._done(state, stage))

    def rule_out(self) -> None:
        """Write an ending for stages that will not begin: by a fault of their own, or because another has failed."""
        while found := self._ledger.ask(lambda state: list(self._hopeless(state))):
            for stage, why in found:
                self._end(stage, why)

    def startable(self, most: int) -> list[Stage]:
        """Return up to so many stages that can start now, in their order; forks that could are expanded before."""
        while True:
            ready = self._ledger.ask(lambda state: list(self._ready(state)))
            forks = [stage for stage in ready if stage.fork is not None]
            if not forks:
                # What an earlier life began goes first: its containers run already.
                ready.sort(key=lambda stage: self.status(stage) is not Status.RUNNING)
                return self._ledger.ask(partial(within_limits, stages=ready))[:most]
            for fork in forks:
                expand(self._context, fork)
            self.rule_out()

    def write_off(self, status: Status, reason: str, which: Callable[[Stage], bool] = lambda _: True) -> None:
        """Write an ending for every stage that has not begun and will not, or that nobody drives since a crash."""
        for stage in self.stages:
            address, before = self._ledger.stage(stage.name), self.status(stage)
            if before is Status.PAUSED and status is Status.NOT_RUN:
                continue  # it has run, and stays what it is
            if which(stage) and stage.name not in self._live and not before.ended:
                write_off(self._context, stage, address, reason)
                if before in (Status.RUNNING, Status.PAUSED):
                    self._ledger.record(address, Status.CANCELLED, reason=reason)
                else:
                    self._ledger.record(address, status, reason=f"not started: {reason}")

    def _end(self, stage: Stage, why: str) -> None:
        address = self._ledger.stage(stage.name)
        write_off(self._context, stage, address, why)
        if stage.fault:
            self._context.values.stage_ended(stage.name, Status.FAILURE)
            self._ledger.record(address, Status.FAILURE, reason=why)
        else:
            self._ledger.record(address, Status.NOT_RUN, reason=f"not started: {why}")

    def _hopeless(self, state: RunState) -> Iterator[tuple[Stage, str]]:
        """Yield the stages that will not begin, and why; those with a fault first, since others are in their way."""
        waiting = [stage for stage in state.plan.stages if self._waiting(state, stage)]
        faulty = [stage for stage in waiting if stage.fault]
        yield from ((stage, stage.fault) for stage in faulty)
        begun = (Status.RUNNING, Status.PAUSED)
        for stage in waiting if not faulty else ():
            if state.status(stage.name) not in begun and (why := _blocked(state, stage)):
                yield stage, why

    def _ready(self, state: RunState) -> Iterator[Stage]:
        plan = state.plan
        for stage in plan.stages:
            if (
                self._waiting(state, stage)
                and all(self._done(state, plan.stage(need)) for need in stage.needs)
                and not state.paused(stage.name)
            ):
                yield stage

    def _waiting(self, state: RunState, stage: Stage) -> bool:
        return stage.name not in self._live and not self._done(state, stage)

    def _done(self, state: RunState, stage: Stage) -> bool:
        if stage.name in self._over:
            return True
        if state.stage_done(stage):
            self._over.add(stage.name)  # for good
            return True
        return self._stopped(stage) and state.status(stage.name).ended


def _blocked(state: RunState, stage: Stage) -> str:
    """Return why a stage will not run because of others; empty while nothing is in its way."""
    match stage.blocked_by:
        case BlockedBy.NEEDS:
            return state.in_the_way(stage)
        case BlockedBy.RUN:
            failed = state.failed(stage)
            return f"stage {failed} has failed" if failed else ""
        case BlockedBy.FORK:
            return state.unforked(stage)
        case BlockedBy.NOTHING:
            return ""
