"""Making the container of a sandbox, and finding those that an earlier process has left."""

import re
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from runner import naming
from runner.backends.docker import recipe
from runner.backends.docker.answers import Answers, NoAnswerError
from runner.backends.docker.attach import Connection, attach
from runner.backends.docker.client import GONE, Engine, translated
from runner.backends.docker.headstart import HeadStart
from runner.backends.docker.inspection import inspect, remove
from runner.backends.docker.script import RESTORED, SANDBOX
from runner.backends.docker.tars import packed
from runner.engine.job import Task
from runner.engine.specs import RunSpec
from runner.errors import EngineRefusedError, ImageError, InfrastructureError
from runner.naming import Address, Instance
from runner.pipelinectl import bundle
from runner.records import record
from runner.settings import DockerSettings

VALUE_MODE, _CONFIG_MODE = 0o666, 0o644

_READY_SECONDS, _ANSWER_SECONDS = 20.0, 3.0  # of one that is starting, and of one that has run for long
_FILL_SECONDS = 20.0
_JOINS = re.compile(r"container:(.*)")


@record
class Sandbox:
    """One sandbox: its container, what it answers once it is ``ready``, and the name or id of its network.

    That is empty if an earlier process has unplugged it. ``filling`` waits for ``starting``.
    """

    id: str
    answers: Answers = field(compare=False)
    starting: Task | None = field(default=None, compare=False)
    filling: Task | None = field(default=None, compare=False)
    network: str = field(default=recipe.BRIDGE, compare=False)

    @property
    def failed(self) -> bool:
        """Whether it is known that it will not be ``ready``."""
        return self._last is not None and self._last.error is not None

    def runs(self) -> None:
        """Wait until it runs.

        Raises:
            InfrastructureError: it cannot be started.
        """
        if self.starting is not None:
            self.starting.finish()

    def ready(self) -> None:
        """Wait until it runs, and the volumes of its run are filled.

        Raises:
            InfrastructureError: it cannot be started, or what it should hold cannot be put there.
        """
        if self._last is not None:
            self._last.finish()

    def leave(self) -> bool:
        """Have it end by itself, once nobody is starting it any more; say whether that may be expected of it."""
        if self._last is not None:
            self._last.wait()
        return not self.failed and self.answers.leave()

    def close(self) -> None:
        """Give the connection back, once nobody is starting it any more; it lives on."""
        if self._last is not None:
            self._last.wait()
        self.answers.close()

    @property
    def _last(self) -> Task | None:
        return self.filling or self.starting


@record
class Left:
    """What an earlier process has left of a run: the sandboxes that live, and the stages whose steps stand in one.

    ``numbers`` are those of the names of all, dead ones too: these stay, as witnesses of how others have ended.
    """

    sandboxes: tuple[Sandbox, ...]
    joined: Mapping[Address, Sandbox]
    numbers: frozenset[int]


class Boxes:
    """Makes sandboxes of one instance; each sees that the volumes of its run are filled."""

    def __init__(self, engine: Engine, settings: DockerSettings, instance: Instance) -> None:
        self._engine = engine
        self._settings = settings
        self._instance = instance

    def make(self, run: str, number: int, network: str) -> Sandbox:
        """Make the n-th sandbox of a run, and begin to start it, which takes 300 ms.

        Raises:
            InfrastructureError: it cannot be made.
        """
        name = naming.sandbox(run, number)
        container = self._create(name, recipe.sandbox(self._settings.sandbox_image, self._instance, run, network))
        # Before the start, since a container that has ended by then never says so.
        answers = Answers(name, attach(self._engine.api, container, stdin=True))

        def start() -> None:
            with translated(f"starting {name}"):
                self._engine.api.start(container)

        return Sandbox(id=container, answers=answers, starting=Task(f"start {name}", start), network=network)

    def begun(self, head: HeadStart) -> Sandbox | None:
        """Return the first sandbox of a run that has a head start, as ``make`` does; None if nothing was made."""
        if (found := head.made()) is None:
            return None
        container, attached = found
        name = naming.sandbox(head.run, 1)

        def start() -> None:
            head.started()
            state = inspect(self._engine, container)  # nobody has listened yet when it began
            if state is None or not state.running:
                raise InfrastructureError(f"{name} ended as soon as it was started")

        answers = Answers(name, Connection(attached, attached.close))
        return Sandbox(id=container, answers=answers, starting=Task(f"start {name}", start))

    def fill(self, run: RunSpec, sandbox: Sandbox, failed: Callable[[], None]) -> Sandbox:
        """Return a sandbox that is being made as one that is ready only when the volumes of its run are filled.

        ``failed`` is called if it comes to nothing.
        """

        def fill() -> None:
            try:
                sandbox.runs()
                self._open(run, sandbox.id, sandbox.answers, _READY_SECONDS)
            except NoAnswerError as error:
                failed()
                raise InfrastructureError(f"a sandbox ended before it was ready: {error.message}") from error
            except BaseException:
                failed()
                raise

        return replace(sandbox, filling=Task("fill the volumes of a run", fill))

    def left(self, run: RunSpec) -> Left:
        """Take over the sandboxes of a run that live; remove those that were never started, or do not answer.

        One in whose network steps stand is left in any case.
        """
        containers = self.of_run(run.id)
        joined: dict[str, list[Address]] = {}
        for raw in containers:
            if (found := _JOINS.fullmatch(raw["HostConfig"]["NetworkMode"])) and raw["State"] == "running":
                joined.setdefault(found[1], []).append(_stage_of(run, raw["Labels"]))
        lives, stages, numbers = [], {}, set()
        for raw in containers:
            if raw["Labels"].get(naming.LABEL_ROLE) == SANDBOX:
                if raw["State"] == "exited":
                    numbers.add(_number(raw))
                    continue
                sandbox = self._adopted(run, raw, needed=raw["Id"] in joined)
                if sandbox is not None:
                    lives.append(sandbox)
                    stages.update(dict.fromkeys(joined.get(raw["Id"], ()), sandbox))
                    numbers.add(_number(raw))
        return Left(sandboxes=tuple(lives), joined=stages, numbers=frozenset(numbers))

    def of_run(self, run: str) -> list[dict[str, Any]]:
        """Return the containers of a run as the engine lists them."""
        with translated(f"listing the containers of run {run}"):
            found: list[dict[str, Any]] = self._engine.api.containers(
                all=True, filters={"label": f"{naming.LABEL_RUN}={run}"}
            )
        return found

    def joined_to(self, sandbox: str) -> bool:
        """Say whether containers run that stand in the network of a sandbox."""
        with translated("listing the steps in a sandbox"):
            running = self._engine.api.containers(filters={"label": f"{naming.LABEL_INSTANCE}={self._instance.id}"})
        return any(raw["HostConfig"]["NetworkMode"] == f"container:{sandbox}" for raw in running)

    def _adopted(self, run: RunSpec, raw: Mapping[str, Any], *, needed: bool) -> Sandbox | None:
        network = raw["HostConfig"]["NetworkMode"]
        spare = run.named and network != naming.network(run.id)
        if raw["State"] == "running" and not spare:
            answers = Answers(raw["Names"][0].strip("/"), attach(self._engine.api, raw["Id"], stdin=True))
            try:
                self._open(run, raw["Id"], answers, _ANSWER_SECONDS)
            except InfrastructureError:
                answers.cut()
            if needed or answers.usable:
                plugged = bool(raw["NetworkSettings"]["Networks"])
                return Sandbox(id=raw["Id"], answers=answers, network=network if plugged else "")
            answers.close()
        remove(self._engine, raw["Id"])
        return None

    def _open(self, run: RunSpec, container: str, answers: Answers, seconds: float) -> None:
        """Wait until a sandbox answers, and fill what it finds empty; what has been filled once stays as it is."""
        if run.left or run.files:
            new = answers.ask("restore", packed(run.left, VALUE_MODE), stall=seconds).strip() == b"new"
            if new and run.files:
                self._restore(container, run.files)
        if run.returned:
            answers.ask("restore_returns", packed(run.returned, VALUE_MODE), stall=seconds)
        lacking = answers.ask("open", packed(run.values, VALUE_MODE), stall=seconds).split()
        if b"shim" in lacking:
            answers.ask("fill_shim", bundle.archive(), stall=_FILL_SECONDS)
        if run.config and b"config" in lacking:
            files = {str(path): content for path, content in run.config.items()}
            answers.ask("fill_config", packed(files, _CONFIG_MODE), stall=_FILL_SECONDS)

    def _restore(self, container: str, files: Path) -> None:
        """Bring what may be larger than a request to where it is taken from; through the engine, which streams it."""
        try:
            with files.open("rb") as archive, translated("writing the run's values"):
                self._engine.api.put_archive(container, RESTORED, archive)
        except FileNotFoundError as error:
            raise InfrastructureError(f"{files}, with values of an earlier run, is not there any more") from error

    def _create(self, name: str, config: Mapping[str, object]) -> str:
        try:
            with translated(f"creating {name}"):
                api = self._engine.api
                created = api.create_container_from_config(  # type: ignore[no-untyped-call]  # the stubs lack it
                    config, name=name
                )
        except EngineRefusedError as error:
            if error.status != GONE:
                raise
            raise ImageError(
                f"image {self._settings.sandbox_image}, of which sandboxes are made, is not on the engine",
                hint="`scripts/build-images` makes it; RUNNER_SANDBOX_IMAGE names another",
            ) from error
        return str(created["Id"])


def _number(raw: Mapping[str, Any]) -> int:
    return int(raw["Names"][0].rpartition("-")[2])


def _stage_of(run: RunSpec, labels: Mapping[str, str]) -> Address:
    rounds = labels.get(naming.LABEL_ATTEMPT, "").partition(".")[0]
    return Address(run.id, labels.get(naming.LABEL_STAGE, ""), round=int(rounds or 1))
