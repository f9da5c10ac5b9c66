"""What a run came to, as one document: ``exec --output json`` prints it. Programs rely on its names."""

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

from runner import naming
from runner.engine.state import RunState, Standing
from runner.naming import Address
from runner.pipelinectl.values import Returns, Values
from runner.plan.model import Stage
from runner.plan.status import Status


class RunReport(TypedDict):
    """The run as a whole; ``seconds`` is its duration."""

    id: str
    status: str
    dialect: str
    seconds: float
    reason: str


class StepReport(TypedDict):
    """A step's last attempt.

    ``started`` counts seconds from the start of the run; both times are None if it never ran. ``returns`` is there when
    the run has come to its end, or is paused, and the step has returned something.
    """

    name: str
    status: str
    exit_code: int | None
    attempt: int
    reason: str
    started: float | None
    seconds: float | None
    returns: NotRequired[Returns]


class StageReport(TypedDict):
    """A stage's last round."""

    name: str
    status: str
    reason: str
    steps: list[StepReport]


class ChildReport(TypedDict):
    """An async stage that this run has started: a run of its own. One that repeats another names that."""

    stage: str
    id: str
    status: str
    origin: NotRequired[str]


class Report(TypedDict):
    """The document."""

    run: RunReport
    stages: list[StageReport]
    children: list[ChildReport]
    values: Values


def report(state: RunState, values: Values, children: Sequence[ChildReport] = ()) -> Report:
    """Return the document of a run as it stands, with what its steps have left and the runs that it has started."""
    whole = state.standing(Address(state.run))
    values = values.copy()
    returns = values.pop("returns", {})
    return {
        "run": {
            "id": state.run,
            "status": whole.status,
            "dialect": state.plan.dialect,
            "seconds": _rounded(whole.seconds) or 0.0,
            "reason": whole.reason,
        },
        "stages": [_stage(state, stage, returns) for stage in state.plan.stages],
        "children": list(children),
        "values": values,
    }


def _stage(state: RunState, stage: Stage, returns: Mapping[str, Returns]) -> StageReport:
    address = state.stage(stage.name)
    standing = state.standing(address)
    if standing.status is Status.PENDING and state.standing(Address(state.run)).status is Status.PAUSED:
        standing = Standing(status=Status.NOT_RUN, reason="it waits until the run is resumed")
    steps = [(step.name, state.step(address, step.name)) for step in stage.steps]
    return {
        "name": stage.name,
        "status": standing.status,
        "reason": standing.reason,
        "steps": [_step(name, at, state.standing(at), returns.get(naming.returns(at))) for name, at in steps],
    }


def _step(name: str, address: Address, standing: Standing, returns: Returns | None) -> StepReport:
    report: StepReport = {
        "name": name,
        "status": standing.status,
        "exit_code": standing.exit_code,
        "attempt": address.attempt,
        "reason": standing.reason,
        "started": _rounded(standing.started),
        "seconds": _rounded(standing.seconds),
    }
    return report if returns is None else {**report, "returns": returns}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
