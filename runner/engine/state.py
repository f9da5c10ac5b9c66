"""Where a run stands: the journal's entries, folded. Nothing here is stored anywhere else."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from runner.engine.journal import Entry
from runner.naming import ORIGINS, Address
from runner.plan import forks
from runner.plan.model import OnLost, Plan, Stage, Step
from runner.plan.status import Status
from runner.records import record

_AGAIN = (Status.FAILURE, Status.TIMEOUT, Status.ERROR, Status.LOST)
_FORGIVEN = (Status.FAILURE, Status.TIMEOUT)
MOST_LOSSES: Final = 3
"""How often a step whose stage says so is run again because nobody saw its end, in each round."""

_WORST_FIRST = (Status.ERROR, Status.CANCELLED, Status.LOST, Status.FAILURE, Status.TIMEOUT)
_COUNTING = {
    **{status: status for status in _WORST_FIRST},
    Status.STOPPED: Status.FAILURE,
    Status.PAUSED: Status.PAUSED,
}
"""What the worst ending of a stage makes of the run."""
FAVORABLE: Final = (Status.SUCCESS, Status.SKIPPED)
"""How a stage has ended that others may build on, in the words of Metalus."""
_ENDED_AS: Final = {
    Status.STOPPED: "was stopped",
    Status.ERROR: "ended by an error",
    Status.CANCELLED: "was cancelled",
    Status.TIMEOUT: "took too long",
    Status.LOST: "was lost",
    Status.NOT_RUN: "did not run",
}


@record
class Standing:
    """How one address stands. ``started`` and ``seconds`` as in ``Entry.at``; None until known."""

    status: Status = Status.PENDING
    exit_code: int | None = None
    reason: str = ""
    started: float | None = None
    seconds: float | None = None


_UNKNOWN: Final = Standing()


class RunState:
    """What the entries of one run add up to. Not safe for threads: its owner holds a lock.

    ``plan`` is that of the moment: it has the branches of the forks whose values are known, and ``forked`` those forks
    as they were, and ``branches`` how many each has, by their names.
    ``inherited`` are the stages that another run has done for this one, with the layers that stand for them.
    """

    def __init__(
        self, run: str, plan: Plan, entries: Iterable[Entry] = (), inherited: Mapping[str, Address] | None = None
    ) -> None:
        self.run = run
        self.plan = plan
        self.inherited = inherited or {}
        self.forked: dict[str, Stage] = {}
        self.branches: dict[str, int] = {}
        self._resumed: set[str] = set()
        self._passed: set[Address] = set()
        self._standings: dict[Address, Standing] = {}
        self._latest: dict[Address, int] = {}
        self._rounds: dict[str, Address] = {}
        self._statuses: dict[str, Status] = {}
        self._at = 0.0
        for entry in entries:
            self.apply(entry)

    def apply(self, entry: Entry) -> None:
        """Take one more entry into account."""
        self._at = max(self._at, entry.at)
        before = self.standing(entry.address)
        if not entry.address.stage and before.status is Status.PAUSED and entry.status is Status.RUNNING:
            self._resume()
        elif entry.status is Status.PAUSED:
            self._resumed.discard(entry.address.stage)
        if entry.branches is not None:
            name, self.branches[entry.address.stage] = entry.address.stage, entry.branches
            self.forked[name] = self.plan.stage(name)
            self.plan = forks.expand(self.plan, name, entry.branches)
        started = entry.at if entry.status is Status.RUNNING and before.started is None else before.started
        seconds = max(0.0, entry.at - started) if entry.status.ended and started is not None else None
        self._standings[entry.address] = Standing(
            status=entry.status, exit_code=entry.exit_code, reason=entry.reason, started=started, seconds=seconds
        )
        self._count(entry.address)

    def standing(self, address: Address) -> Standing:
        """Return how an address stands; pending if nothing is known."""
        return self._standings.get(address, _UNKNOWN)

    def stage(self, name: str) -> Address:
        """Return the address of the latest round of a stage."""
        return self._rounds.get(name) or Address(self.run, name)

    def status(self, name: str) -> Status:
        """Return how the latest round of a stage stands."""
        return self._statuses.get(name, Status.PENDING)

    def step(self, stage: Address, name: str) -> Address:
        """Return the address of the latest attempt of a step in a round of its stage."""
        first = Address(self.run, stage.stage, name, round=stage.round)
        latest = self._latest.get(first, 1)
        return first if latest == 1 else replace(first, attempt=latest)

    @property
    def latest(self) -> float:
        """When the last of these entries was written, in seconds since the start of the run."""
        return self._at

    def unfinished(self) -> tuple[Address, ...]:
        """Return every address that was begun and has not ended."""
        return tuple(address for address, standing in self._standings.items() if standing.status is Status.RUNNING)

    def opened(self, stage: Address) -> bool:
        """Whether any step of this round was begun, so that the stage has a workspace."""
        return any(
            self.standing(self.step(stage, step.name)).started is not None
            for step in self.plan.stage(stage.stage).steps
        )

    def worked(self, stage: Address) -> bool:
        """Whether any step of this round has surely run: one that was begun may not have come to its release."""
        for step in self.plan.stage(stage.stage).steps:
            address = self.step(stage, step.name)
            standing = self.standing(address)
            if address.attempt > 1 or (standing.started is not None and standing.status.ended):
                return True
        return False

    def layer(self, stage: str) -> Address | None:
        """Return where the files are that a stage has left; None where it never had a workspace."""
        if stage in self.inherited:
            return self.inherited[stage]
        address = self.stage(stage)
        return address if self.opened(address) else None

    def begun(self) -> bool:
        """Whether any stage or service of this very run was begun, so that all was ready for it."""
        return any(standing.started is not None for address, standing in self._standings.items() if address.stage)

    def paused(self, stage: str) -> bool:
        """Whether a stage waits until somebody resumes the run."""
        return self.status(stage) is Status.PAUSED and stage not in self._resumed

    @property
    def resumed(self) -> bool:
        """Whether the run has been paused, and goes on since."""
        return bool(self._passed)

    def passed(self, step: Address) -> bool:
        """Whether a step had ended when somebody resumed its paused stage: what it has asked for was granted."""
        return step in self._passed

    def stage_done(self, stage: Stage) -> bool:
        """Whether the stage has ended and no further round will come."""
        status = self.status(stage.name)
        return status.ended and not tried_again(status, self.stage(stage.name).round, stage.retry)

    def others_done(self, stage: Stage) -> bool:
        """Whether all other stages have ended for good."""
        return all(self.stage_done(other) for other in self.plan.stages if other.name != stage.name)

    def step_done(self, stage: Address, step: Step) -> bool:
        """Whether the step has ended in this round and no further attempt will come."""
        address = self.step(stage, step.name)
        return self.standing(address).status.ended and not self.comes_again(address, step)

    def comes_again(self, attempt: Address, step: Step) -> bool:
        """Whether a step is tried once more after this attempt, its last one, if nothing stops it.

        Where its stage says so an attempt that was lost is made up for, and does not count as one that was retried.
        """
        status = self.standing(attempt).status
        rerun = self.plan.stage(attempt.stage).on_lost is OnLost.RERUN
        losses = self._losses(attempt) if rerun else 0
        made_up = status is Status.LOST and 0 < losses <= MOST_LOSSES
        return made_up or tried_again(status, attempt.attempt - min(losses, MOST_LOSSES), step.retry)

    def rule_status(self, stage: Stage) -> Status:
        """Return what ``status`` rules of a stage's steps are compared with: success or failure.

        That is the run's status, or the stage's own when it is independent (``reference`` of go-vela/worker,
        ``internal/step/skip.go``). A failure counts at once, but not in a round or attempt that will be repeated.
        """
        if stage.independent:
            return self._rule_status_of(self.stage(stage.name), stage)
        return self.run_status(stage)

    def run_status(self, stage: Stage) -> Status:
        """Return success or failure of the run up to now, as it is seen from a stage that runs."""
        return Status.SUCCESS if self.failed(stage) is None else Status.FAILURE

    def failed(self, stage: Stage) -> str | None:
        """Return the stage that has made the run a failure up to now, as it is seen from a stage; None if none has."""
        for other in self.plan.stages:
            address, own = self.stage(other.name), other.name == stage.name
            counts = own or not (other.allow_failure or address.round <= other.retry or forks.siblings(stage, other))
            if counts and self._rule_status_of(address, other) is Status.FAILURE:
                return other.name
        return None

    def in_the_way(self, stage: Stage) -> str:
        """Return why a stage cannot run that is blocked by those it needs; empty if nothing is in its way.

        Where one of these could not run either, that is because of the stage that is named.
        """
        for need in map(self.plan.stage, stage.needs):
            status = self.status(need.name)
            if status.ended and status not in FAVORABLE and self.stage_done(need):
                further = self.in_the_way(need) if status is Status.NOT_RUN else ""
                return further or f"stage {need.name} {_ENDED_AS.get(status, 'has failed')}"
        return ""

    def unforked(self, stage: Stage) -> str:
        """Return why a fork that a stage needs, or the one around what it needs, has no branches; empty if it has."""
        for fork in self.plan.stages:
            inside = {fork.name, *fork.fork.stages} if fork.fork else set()
            if inside.intersection(stage.needs) and self.stage_done(fork):
                further = self.in_the_way(fork) if self.status(fork.name) is Status.NOT_RUN else ""
                return further or f"stage {fork.name} {_ENDED_AS.get(self.status(fork.name), 'has failed')}"
        return ""

    def stage_outcome(self, stage: Address) -> Status:
        """Return what the steps of a round add up to."""
        found = [self.counted(stage, step) for step in self.plan.stage(stage.stage).steps]
        for status in _WORST_FIRST:
            if status in found:
                return status
        started = any(
            self.standing(self.step(stage, step.name)).status is not Status.SKIPPED
            for step in self.plan.stage(stage.stage).steps
        )
        return Status.SUCCESS if started else Status.SKIPPED

    def run_outcome(self) -> Status:
        """Return what the stages add up to."""
        found = {self.standing(self.stage(stage.name)).status for stage in self._counting()}
        return next((outcome for status, outcome in _COUNTING.items() if status in found), Status.SUCCESS)

    def stage_reason(self, stage: Address, status: Status) -> str:
        """Return why a round ended with this status, in the words of the step that made it so."""
        for step in self.plan.stage(stage.stage).steps:
            if self.counted(stage, step) is status and status in _WORST_FIRST:
                return _because(stage, step, self.standing(self.step(stage, step.name)))
        return ""

    def run_reason(self, status: Status) -> str:
        """Return why the run ended with this status: the first stage that did."""
        for stage in self._counting():
            standing = self.standing(self.stage(stage.name))
            if _COUNTING.get(standing.status) is status:
                return standing.reason if stage.name == ORIGINS else f"stage {stage.name}: {standing.reason}"
        return ""

    def counted(self, stage: Address, step: Step) -> Status:
        """Return what a step means to its stage: of a detached one only whether it could be started.

        A step that was to fetch secrets and did not, for whatever reason, is an error.
        """
        status = self.standing(self.step(stage, step.name)).status
        if stage.stage == ORIGINS:
            return Status.ERROR if status in _AGAIN else status
        proceed = step.ruleset.proceed or self.plan.stage(stage.stage).ruleset.proceed
        harmless = (proceed and status in _FORGIVEN) or (step.detach and status is not Status.ERROR)
        return Status.SUCCESS if harmless else status

    def _counting(self) -> tuple[Stage, ...]:
        """Return the stages that count for the run: all but those that have failed and may."""
        standings = {stage.name: self.standing(self.stage(stage.name)).status for stage in self.plan.stages}
        return tuple(s for s in self.plan.stages if not (s.allow_failure and standings[s.name] in _FORGIVEN))

    def _resume(self) -> None:
        for stage in self.plan.stages:
            address = self.stage(stage.name)
            if self.standing(address).status is Status.PAUSED:
                self._resumed.add(stage.name)
                steps = (self.step(address, step.name) for step in stage.steps)
                self._passed |= {step for step in steps if self.standing(step).status.ended}

    def _losses(self, attempt: Address) -> int:
        """Return how many attempts of a step were lost in this round, up to this one."""
        attempts = (replace(attempt, attempt=number) for number in range(1, attempt.attempt + 1))
        return sum(self.standing(each).status is Status.LOST for each in attempts)

    def _rule_status_of(self, address: Address, stage: Stage) -> Status:
        status = self.standing(address).status
        if status is Status.STOPPED or (status is Status.FAILURE and (stage.fault or stage.fork)):
            return Status.FAILURE
        for step in stage.steps:
            if self.counted(address, step) in _AGAIN and self.step_done(address, step):
                return Status.FAILURE
        return Status.SUCCESS

    def _count(self, address: Address) -> None:
        if address.step:
            first = Address(self.run, address.stage, address.step, round=address.round)
            self._latest[first] = max(self._latest.get(first, 1), address.attempt)
        elif address.round >= self.stage(address.stage).round:
            self._statuses[address.stage] = self.standing(address).status
        if address.round > self.stage(address.stage).round or address.stage not in self._rounds:
            self._rounds[address.stage] = address.of_stage()
            self._statuses[address.stage] = self.standing(address.of_stage()).status


def _because(stage: Address, step: Step, standing: Standing) -> str:
    if stage.stage == ORIGINS:
        code = f" ended with exit code {standing.exit_code}"
        return f"origin secret plugin {step.name}" + (f": {standing.reason}" if standing.reason else code)
    code = "" if standing.exit_code is None else f"exit code {standing.exit_code}"
    return f"step {step.name}: {standing.reason or code}"


def tried_again(status: Status, tries: int, retry: int) -> bool:
    """Whether a thing that ended like this after so many tries is tried once more."""
    return status in _AGAIN and tries <= retry
