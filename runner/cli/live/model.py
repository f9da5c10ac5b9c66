"""What is known of a run by its events: of each stage, step, service and image on its way."""

from runner.engine.backend import PullProgress
from runner.engine.events import Changed, Event, Printing, Pulling
from runner.engine.journal import Entry
from runner.engine.state import RunState, Standing
from runner.naming import SERVICES, Address
from runner.plan.model import Plan, Stage, Step
from runner.plan.status import Status
from runner.records import record


@record
class Part:
    """A run, stage, step or service as it stands; times count seconds from the start of the run, None until known.

    ``tries`` is the number of the attempt (of a stage: of the round), ``most`` how many there may be.
    """

    name: str
    status: Status = Status.PENDING
    reason: str = ""
    exit_code: int | None = None
    started: float | None = None
    seconds: float | None = None
    tries: int = 1
    most: int = 1
    detached: bool = False

    def elapsed(self, now: float) -> float | None:
        """Return how long it took, or has taken by ``now``; None if it never began."""
        if self.seconds is not None or self.started is None:
            return self.seconds
        return max(0.0, now - self.started)


@record
class StageView:
    """A stage as it stands, in its latest round; ``waits`` names the stages it needs that have not ended."""

    part: Part
    steps: tuple[Part, ...]
    waits: tuple[str, ...] = ()


@record
class View:
    """The whole run at one moment; ``now`` counts seconds from its start."""

    run: Part
    stages: tuple[StageView, ...]
    services: tuple[Part, ...]
    pulls: tuple[PullProgress, ...]
    now: float


class Model:
    """Takes events in their order and says how things stand. The run is that of the first event that names one."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._state = RunState("", plan)
        self._views: dict[str, StageView] = {}
        self._pulls: dict[str, PullProgress] = {}
        self._assembled = False
        self._zero: float | None = None

    @property
    def plan(self) -> Plan:
        """What runs, with the branches of the forks whose values are known."""
        return self._state.plan

    @property
    def over(self) -> bool:
        """Whether the run has ended, or is paused."""
        status = self._state.standing(Address(self._state.run)).status
        return status.ended or status is Status.PAUSED

    def apply(self, event: Event, clock: float) -> None:
        """Take an event that arrived at ``clock``, in monotonic seconds."""
        match event:
            case Changed(entry):
                self._change(entry, clock)
            case Printing(address):
                self._drop_pull(address)
            case Pulling(progress):
                self._pulls[progress.image] = progress
            case _:
                pass

    def view(self, clock: float) -> View:
        """Return how the run stands at ``clock``."""
        run = self._state.run
        stages = [self._stage(stage) for stage in self.plan.stages]
        done = {view.part.name for view in stages if view.part.status.ended}
        return View(
            run=_part(run, self._state.standing(Address(run))),
            stages=tuple(_waiting(view, stage, done) for view, stage in zip(stages, self.plan.stages, strict=True)),
            services=tuple(
                _part(service.name, self._state.standing(Address(run, SERVICES, service.name)))
                for service in self._plan.services
            ),
            pulls=tuple(self._pulls.values()),
            now=0.0 if self._zero is None else clock - self._zero,
        )

    def _change(self, entry: Entry, clock: float) -> None:
        if not self._state.run:
            self._state = RunState(entry.address.run, self._plan)
            self._views.clear()
        self._state.apply(entry)
        self._views.pop(entry.address.stage, None)
        zero = clock - entry.at  # events may arrive late, never early
        self._zero = zero if self._zero is None else min(self._zero, zero)
        self._arrived(entry.address, entry.status)

    def _stage(self, stage: Stage) -> StageView:
        if stage.name not in self._views:  # most stages have not changed since the last look
            address = self._state.stage(stage.name)
            part = _part(stage.name, self._state.standing(address), tries=address.round, most=stage.retry + 1)
            self._views[stage.name] = StageView(part=part, steps=tuple(self._step(address, s) for s in stage.steps))
        return self._views[stage.name]

    def _step(self, stage: Address, step: Step) -> Part:
        address = self._state.step(stage, step.name)
        standing = self._state.standing(address)
        return _part(step.name, standing, tries=address.attempt, most=step.retry + 1, detached=step.detach)

    def _arrived(self, address: Address, status: Status) -> None:
        """Forget the pulls that must be over: nothing says when one is."""
        if address.stage and not self._assembled and status is Status.RUNNING:
            self._assembled = True  # all images that are fetched beforehand are there
            self._pulls.clear()
        elif address.step and status.ended:
            self._drop_pull(address)

    def _drop_pull(self, address: Address) -> None:
        """Forget the pull that the attempt at an address has waited for."""
        of_stage = [step for stage in self.plan.stages if stage.name == address.stage for step in stage.steps]
        parts = self._plan.services if address.stage == SERVICES else of_stage
        wanted = {familiar(part.image) for part in parts if part.name == address.step}
        for image in [image for image in self._pulls if familiar(image) in wanted]:
            del self._pulls[image]


def familiar(image: str) -> str:
    """Return an image's name without what Docker adds to what a user writes: ``docker.io/library/`` and ``:latest``.

    A tag beside a digest goes too: it means nothing.
    """
    name, at, digest = image.removeprefix("docker.io/").removeprefix("library/").partition("@")
    if at:
        folder, slash, last = name.rpartition("/")
        return f"{folder}{slash}{last.partition(':')[0]}@{digest}"
    return name.removesuffix(":latest")


def _part(name: str, standing: Standing, *, tries: int = 1, most: int = 1, detached: bool = False) -> Part:
    return Part(
        name=name,
        status=standing.status,
        reason=standing.reason,
        exit_code=standing.exit_code,
        started=standing.started,
        seconds=standing.seconds,
        tries=tries,
        most=most,
        detached=detached,
    )


def _waiting(view: StageView, stage: Stage, done: set[str]) -> StageView:
    """Say what a stage that has not begun waits for."""
    if view.part.status is not Status.PENDING or not stage.needs:
        return view
    return StageView(part=view.part, steps=view.steps, waits=tuple(need for need in stage.needs if need not in done))
