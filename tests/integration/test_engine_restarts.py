"""An engine that is killed or stopped under running steps, and comes back: what is told, run again, and left."""

import gc
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from runner import naming
from runner.backends.docker.backend import DockerBackend
from runner.backends.docker.client import Engine
from runner.backends.docker.patient import PatientBackend
from runner.backends.docker.sweep import Sweep
from runner.engine.backend import Ending, Phase
from runner.engine.job import Job, Task
from runner.engine.journal import Memory
from runner.engine.run import Driver
from runner.engine.specs import Release, RunSpec, StageSpec, StepSpec
from runner.engine.state import RunState, Standing
from runner.naming import Address, Instance, new_run_id
from runner.plan.model import OnLost, Plan, Service, Step
from runner.plan.status import Status
from runner.settings import DockerSettings
from tests.support.attempts import Recorder, build_images, wait_for
from tests.support.engine import Recorders
from tests.support.plans import IMAGE, plan, stage
from tests.support.private_engine import PrivateEngine, private_engine
from tests.support.workspaces import SANDBOX

# What the SDK leaves to the garbage collector: the socket of a connection that was refused.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

SETTINGS = DockerSettings(subnets=IPv4Network("10.99.0.0/16"), engine_grace=30.0).of_daemon()
INSTANCE = Instance(id="test-restarts", kind="test", host="here", owner="0")


@dataclass
class Place:
    """A private engine with the images of the tests, and what one process of a daemon has on it."""

    engine: PrivateEngine
    client: Engine = field(init=False)
    backend: PatientBackend = field(init=False)

    def __post_init__(self) -> None:
        self.connect()

    def connect(self) -> None:
        """Be a new process."""
        self.client = Engine(self.engine.host)
        docker = DockerBackend(self.client, SETTINGS, INSTANCE)
        self.backend = PatientBackend(docker, self.client, SETTINGS.engine_grace)

    def restart(self, how: signal.Signals, meanwhile: float = 0.0) -> None:
        """Let the engine end, and start it again."""
        self.engine.end(how)
        time.sleep(meanwhile)
        started = self.engine.ensure()
        assert started.returncode == 0, started.stderr

    def left(self) -> list[str]:
        """Return what is there of any run, and of nobody."""
        known = {remnant.name for remnant in Sweep(self.client).lasting(INSTANCE)}
        volumes = [raw["Name"] for raw in self.client.api.volumes()["Volumes"] or () if raw["Name"] not in known]
        networks = [raw["Name"] for raw in self.client.api.networks() if raw["Name"].startswith("runner-")]
        networks = [name for name in networks if name not in known]
        return [*volumes, *networks, *(raw["Names"][0] for raw in self.client.api.containers(all=True))]


@contextmanager
def place_in(folder: Path, arguments: str = "") -> Iterator[Place]:
    build_images()
    with private_engine(folder, arguments) as engine:
        started = engine.ensure()
        assert started.returncode == 0, started.stderr
        images = subprocess.run(["docker", "save", IMAGE, SANDBOX], capture_output=True, check=True).stdout
        assert list(Engine(engine.host).api.load_image(images))  # type: ignore[no-untyped-call]  # which it returns while it loads
        found = Place(engine)
        yield found
        found.backend.close()
        for raw in found.client.api.containers():
            found.client.api.remove_container(raw["Id"], force=True)
        gc.collect()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place_in(tmp_path_factory.mktemp("engine")) as found:
        yield found


@pytest.fixture(scope="module")
def restoring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place_in(tmp_path_factory.mktemp("restoring"), "--live-restore") as found:
        yield found


class Life:
    """One run, driven in a thread."""

    def __init__(self, place: Place, of: Plan) -> None:
        self.id = new_run_id()
        self.plan = of
        self.journal = Memory()
        self.logs = Recorders()
        self.driver = Driver(
            job=Job(id=self.id, plan=of, grace=1.0, max_parallel=8),
            journal=self.journal,
            backend=place.backend,
            logs=self.logs,
            observer=lambda _: None,
        )
        self.task = Task("drive", lambda: setattr(self, "end", self.driver.drive()))

    def until(self, *paths: str) -> None:
        """Wait until these steps have said ``ready``."""
        for path in paths:
            wait_for(lambda path=path: "\nready\n" in self.text(path), 30)  # type: ignore[misc]  # mypy cannot infer it

    def text(self, path: str, attempt: int = 1) -> str:
        """Return the output of a step."""
        stage, _, step = path.partition("/")
        found = self.logs.found.get(naming.log(Address(self.id, stage, step, attempt=attempt)))
        return found.text if found else ""

    def gaps(self, path: str) -> list[str]:
        """Return what the log of a step says of what is missing."""
        stage, _, step = path.partition("/")
        return self.logs.found[naming.log(Address(self.id, stage, step))].gaps

    def finish(self, seconds: float = 40) -> None:
        """Wait for the end of the run."""
        assert self.task.over(seconds), "the run hangs"
        self.task.finish()

    def standing(self, path: str, attempt: int = 1) -> Standing:
        """Return how a step stands."""
        stage, _, step = path.partition("/")
        return RunState(self.id, self.plan, self.journal.read()).standing(
            Address(self.id, stage, step, attempt=attempt)
        )

    def statuses(self, *paths: str) -> list[Status]:
        return [self.standing(path).status for path in paths]


def runs(name: str, *commands: str) -> Step:
    return Step(name=name, image=IMAGE, commands=commands)


AGAIN = "if [ -e begun ]; then echo second; exit 0; fi; touch begun; echo ready; sleep 600"

LOSING = plan(
    stage("plain", runs("a", "echo ready", "sleep 600"), runs("parked", "echo never"), independent=True),
    stage("trap", runs("a", "trap 'exit 3' TERM; echo ready; sleep 600 & wait"), independent=True),
    stage(
        "kind",
        runs("a", "trap 'exit 0' TERM; echo ready; sleep 600 & wait"),
        runs("parked", "echo never"),
        independent=True,
    ),
    stage("again", runs("a", AGAIN), runs("b", "ls; get_env key none"), on_lost=OnLost.RERUN, independent=True),
    stage("short", runs("a", "set_env key value; echo ready; sleep 1.5; exit 7"), independent=True),
    services=[Service(name="db", image=IMAGE, entrypoint=("sleep", "600"))],
)
WAITED = ("plain/a", "trap/a", "kind/a", "again/a", "short/a")


def judge(life: Life, place: Place) -> None:
    """Claim what holds of that plan whichever way the engine ended."""
    assert life.statuses("plain/a", "trap/a", "kind/a", "again/a") == [Status.LOST] * 4
    assert "the engine went away, or was stopped" in life.standing("trap/a").reason
    assert life.standing("again/a", attempt=2).status is Status.SUCCESS
    assert life.text("again/a", attempt=2).endswith("second\n")
    assert life.text("again/b").endswith("begun\nvalue\n")
    assert "never" not in life.text("plain/parked") + life.text("kind/parked")
    assert place.left() == []


def test_steps_under_an_engine_that_is_killed_are_lost_and_what_ended_by_itself_is_not(place: Place) -> None:
    life = Life(place, LOSING)
    life.until(*WAITED)

    place.restart(signal.SIGKILL, meanwhile=3.0)
    life.finish()

    judge(life, place)
    assert (life.standing("short/a").status, life.standing("short/a").exit_code) == (Status.FAILURE, 7)


def test_steps_under_an_engine_that_is_stopped_are_lost_whatever_their_code(place: Place) -> None:
    life = Life(place, LOSING)
    life.until(*WAITED)

    place.restart(signal.SIGTERM)
    life.finish()

    judge(life, place)


def test_a_run_that_begins_while_the_engine_is_away_waits_for_it(place: Place) -> None:
    place.engine.end(signal.SIGKILL)

    life = Life(place, plan(stage("s", runs("a", "echo ready"))))
    assert not life.task.over(1.0)
    assert place.engine.ensure().returncode == 0
    life.finish()

    assert life.statuses("s/a") == [Status.SUCCESS]
    assert place.left() == []


def test_an_engine_that_does_not_come_back_in_time_ends_a_run_with_an_error(place: Place) -> None:
    place.backend._grace = place.backend._inner._events._patience = 0.5
    place.engine.end(signal.SIGKILL)

    life = Life(place, plan(stage("s", runs("a", "echo ready"))))
    life.finish(10)

    assert life.statuses("s/a") == [Status.CANCELLED]
    place.backend._grace, place.backend._inner._events._patience = SETTINGS.engine_grace, 5.0
    assert place.engine.ensure().returncode == 0


@dataclass
class Opened:
    """A run with one stage, as a process that is to die has it."""

    place: Place
    run: RunSpec = field(default_factory=lambda: RunSpec(id=new_run_id(), home="/w", workdir="/w"))

    def open(self) -> None:
        self.place.backend.open_run(self.run)
        self.place.backend.open_stage(StageSpec(address=Address(self.run.id, "s")), lambda _: None)

    def spec(self, step: str, *commands: str) -> StepSpec:
        entrypoint = () if commands else ("sleep", "600")
        return StepSpec(address=Address(self.run.id, "s", step), image=IMAGE, commands=commands, entrypoint=entrypoint)

    def begin(self, spec: StepSpec) -> Recorder:
        recorder = Recorder()
        assert self.place.backend.prepare(spec) is Phase.READY
        self.place.backend.follow(spec.address, recorder, recorder.wake)
        self.place.backend.release(spec.address, Release())
        return recorder

    def conclude(self, spec: StepSpec) -> Ending:
        """Take an attempt up, and say how it ended."""
        recorder = Recorder()
        assert self.place.backend.prepare(spec) is Phase.UNDERWAY
        self.place.backend.follow(spec.address, recorder, recorder.wake)
        while (ending := self.place.backend.conclude(spec.address)) is None:
            assert recorder.woken.wait(20)
            recorder.woken.clear()
        return ending


def test_what_an_engine_ended_while_nobody_drove_is_lost_and_what_a_person_killed_is_not(place: Place) -> None:
    opened = Opened(place)
    opened.open()
    lasting, kind, failing, killed = (
        opened.spec("lasting", "sleep 600"),
        opened.spec("kind", "trap 'exit 0' TERM; echo ready; sleep 600 & wait"),
        opened.spec("failing", "exit 7"),
        opened.spec("killed", "sleep 600"),
    )
    image_only, gone, bare = opened.spec("image only"), opened.spec("gone", "sleep 600"), opened.spec("bare")
    every = (lasting, kind, failing, killed, image_only, gone, bare)
    recorders = [opened.begin(spec) for spec in every]
    wait_for(lambda: b"ready" in recorders[1].out)
    place.backend.close()
    api = place.client.api
    api.kill(naming.container(killed.address))
    for spec in (gone, bare):
        api.remove_container(naming.container(spec.address), force=True)
    place.restart(signal.SIGKILL, meanwhile=1.5)
    place.connect()
    opened.open()

    assert [opened.conclude(spec).exit_code for spec in (lasting, kind, image_only)] == [None, None, None]
    assert [opened.conclude(spec).exit_code for spec in (failing, killed)] == [7, 137]
    assert [place.backend.prepare(spec) for spec in (gone, bare)] == [Phase.GONE, Phase.GONE]
    opened.begin(opened.spec("next", "true"))
    place.backend.close_run(opened.run, keep=False)
    assert place.left() == []


@pytest.mark.alone
def test_under_an_engine_that_restores_its_containers_steps_go_on_and_the_log_says_what_it_lacks(
    restoring: Place,
) -> None:
    life = Life(
        restoring,
        plan(
            stage("long", runs("a", "echo ready", "sleep 4", "echo late", "exit 5"), independent=True),
            stage(
                "next",
                runs("a", "set_env key value; echo ready; sleep 4"),
                runs("b", "get_env key none"),
                independent=True,
            ),
            stage("ends", runs("a", "echo ready; sleep 1; exit 6"), independent=True),
        ),
    )
    life.until("long/a", "next/a", "ends/a")

    restoring.restart(signal.SIGKILL, meanwhile=1.0)
    life.finish()

    assert [life.standing(path).exit_code for path in ("long/a", "ends/a", "next/a", "next/b")] == [5, 6, 0, 0]
    assert life.text("long/a").endswith("late\n$ exit 5\n")
    assert [len(life.gaps(path)) for path in ("long/a", "next/b")] == [1, 0]
    assert life.text("next/b").endswith("\nvalue\n")
    # Engines before 24 count the mounts of such a volume wrongly, and hold it until they are started anew (moby#44422).
    memory = {naming.volume(life.id, what) for what in ("k", "p")}
    assert set(restoring.left()) <= memory
