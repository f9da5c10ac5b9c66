"""Variables that steps leave for later ones, read from a run on a real engine."""

import statistics
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from runner.backends.docker.backend import DockerBackend
from runner.backends.docker.outputs import LIMITS
from runner.engine.specs import Release, RunSpec, Source, SourceMode, StageSpec, StepSpec
from runner.errors import InfrastructureError
from runner.naming import Address, new_run_id
from runner.plan.model import Workspace
from tests.support.backends import DockerPlace, Listener, docker_backend
from tests.support.plans import IMAGE

OUTPUTS = "/vela/outputs"


def _unheard(reason: str) -> None:
    """Take no notice of a sandbox that is removed with its run."""


@dataclass
class Stand:
    """A run with outputs, and steps in it."""

    place: DockerPlace
    run: RunSpec
    backend: DockerBackend = field(init=False)
    overlays: bool = True
    _number: int = 0

    def __post_init__(self) -> None:
        self.take_over()

    @property
    def stage(self) -> Address:
        return Address(self.run.id, "s")

    def take_over(self) -> None:
        """Go on as a new process of the runner would."""
        place = self.place
        self.backend = DockerBackend(place._engine, place._settings, place._instance, overlays=self.overlays)
        place._clients.append(self.backend)
        self.backend.open_run(self.run)
        self.backend.open_stage(StageSpec(address=self.stage), _unheard)

    def read(self) -> dict[str, bytes]:
        return dict(self.backend.outputs(self.stage))

    def mute(self) -> None:
        """Let no sandbox answer any more, so that all is read through the engine."""
        for sandbox in self.backend._sandboxes.live(self.run.id):
            sandbox.answers.cut()

    def step(self, script: str, *, stage: Address | None = None, user: str = "", alias: str = "") -> list[str]:
        """Run a script to its end, which must be a good one, and return its lines."""
        self._number += 1
        address = replace(stage or self.stage, step=f"step {self._number}")
        self.backend.prepare(StepSpec(address=address, image=IMAGE, commands=(script,), user=user, alias=alias))
        listener = Listener()
        self.backend.follow(address, listener, listener.wake)
        self.backend.release(address, Release())
        seen = 0
        while (ending := self.backend.conclude(address)) is None:
            seen = listener.until_woken(seen)
        assert ending.exit_code == 0, (ending, listener.lines)
        self.backend.discard(address)
        return listener.lines


@pytest.fixture(scope="module")
def place() -> Iterator[DockerPlace]:
    with docker_backend() as made:
        assert isinstance(made, DockerPlace)
        yield made


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("source")
    root.chmod(0o755)
    (root / "one").write_text("source one\n")
    return root


@pytest.fixture(scope="module", params=["answered", "through the engine"])
def stand(place: DockerPlace, source: Path, request: pytest.FixtureRequest) -> Iterator[Stand]:
    run = RunSpec(id=new_run_id(), home="/vela", workdir="/vela/src", source=Source(path=source), outputs=OUTPUTS)
    made = Stand(place, run)
    if request.param != "answered":
        made.mute()
    yield made
    made.backend.close_run(made.run, keep=False)
    assert place.left(run.id) == ()


@pytest.fixture(scope="module")
def muted(place: DockerPlace, source: Path) -> Iterator[Stand]:
    """Return a stand whose sandboxes do not answer."""
    run = RunSpec(id=new_run_id(), home="/vela", workdir="/vela/src", source=Source(path=source), outputs=OUTPUTS)
    made = Stand(place, run)
    made.mute()
    yield made
    made.backend.close_run(made.run, keep=False)
    assert place.left(run.id) == ()


def calls(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the calls about archives that are made from now on; nothing was asked for beforehand."""
    stand.backend._foresight.drop(stand.stage)
    made: list[str] = []
    api = stand.backend._engine.api
    for verb in ("head", "get_archive"):
        original = getattr(api, verb)

        def call(*args: object, verb: str = verb, original: object = original, **more: object) -> object:
            made.append(verb)
            return original(*args, **more)  # type: ignore[operator]  # a method of the SDK

        monkeypatch.setattr(api, verb, call)
    return made


def test_without_an_answer_the_engine_is_asked_once_for_all(muted: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    muted.step("test -d /vela/outputs; echo A=1 >/vela/outputs/.env", user="1000")
    made = calls(muted, monkeypatch)
    assert muted.read() == {".env": b"A=1\n"}
    assert made == ["get_archive"]


def test_a_sandbox_answers_in_milliseconds_and_the_engine_is_not_asked(
    place: DockerPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunSpec(id=new_run_id(), home="/vela", workdir="/vela/src", outputs=OUTPUTS)
    answering = Stand(place, run)
    assert answering.read() == {}
    answering.step("echo A=1 >>/vela/outputs/.env", user="1000")
    made = calls(answering, monkeypatch)

    times = []
    for _ in range(15):
        begun = time.perf_counter()
        assert answering.read() == {".env": b"A=1\n"}
        times.append(time.perf_counter() - begun)

    assert made == []
    sys.stdout.write(f"outputs, answered: {statistics.median(times) * 1000:.2f} ms\n")
    assert statistics.median(times) < 0.02
    answering.backend.close_run(run, keep=False)


def test_what_steps_of_any_user_and_stage_leave_is_read_and_seen_by_all(stand: Stand) -> None:
    stand.step("echo A=1 >>/vela/outputs/.env; umask 077; echo B=2 >>/vela/outputs/masked.env", user="1234:99")
    assert stand.read() == {".env": b"A=1\n", "masked.env": b"B=2\n"}

    none = StageSpec(address=Address(stand.run.id, "none"), workspace=Workspace.NONE)
    stand.backend.open_stage(none, _unheard)
    lines = stand.step("pwd; ls -A; cat /vela/outputs/.env; rm /vela/outputs/masked.env", stage=none.address)
    stand.step("echo detached >/vela/outputs/x", alias="beside")

    assert lines == ["/vela/src", "A=1"]
    assert stand.read() == {".env": b"A=1\n", "x": b"detached\n"}
    assert stand.backend.outputs(none.address) == stand.read()


def test_a_change_within_the_same_second_and_of_the_same_size_is_seen(stand: Stand) -> None:
    stand.step("echo V=1 >/vela/outputs/.env; touch -d 2020-01-01 /vela/outputs/.env")
    assert stand.read()[".env"] == b"V=1\n"
    for value in (b"V=2\n", b"V=3\n"):
        stand.step(f"printf '{value.decode().strip()}\\n' >/vela/outputs/.env")
        assert stand.read()[".env"] == value


def test_links_fifos_and_what_lies_deeper_are_passed_over(stand: Stand) -> None:
    stand.step(
        "cd /vela/outputs; rm -rf * .env; echo A=1 >.env; ln .env again; ln -s /etc/shadow shadow; ln -s .env link;"
        "mkfifo fifo; mkdir -p deep/er; echo x >deep/er/x; mknod zero c 1 5;"
        "ln -s / root; echo odd >\"$(printf 'odd\\377\\nname')\"; touch empty; touch -d 2020-01-01 ./* .env ."
    )

    expected = {".env": b"A=1\n", "again": b"A=1\n", "empty": b"", "odd\udcff\nname": b"odd\n"}
    assert stand.read() == expected
    assert stand.read() == expected


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (f"head -c {(LIMITS.file or 0) + 1} /dev/zero >big", "the output big has more than 10 MiB"),
        ("truncate -s 100G sparse", "the output sparse has more than 10 MiB"),
        ("mkdir deep; truncate -s 65M deep/file", "more than 50 files or 64 MiB"),
        ("mkdir deep; cd deep; seq 60 | xargs touch", "more than 50 files or 64 MiB"),
    ],
)
def test_what_is_too_large_is_an_error_and_is_not_downloaded(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, script: str, words: str
) -> None:
    monkeypatch.setattr("runner.backends.docker.outputs.LIMITS", replace(LIMITS, members=50))
    stand.step(f"cd /vela/outputs; rm -rf * .env; {script}")
    begun = time.perf_counter()
    with pytest.raises(InfrastructureError, match=words):
        stand.read()
    assert time.perf_counter() - begun < 5

    stand.step("cd /vela/outputs; rm -rf *; echo A=1 >.env")
    assert stand.read() == {".env": b"A=1\n"}


def test_a_new_process_reads_what_is_there_even_if_a_step_gave_the_directory_away(stand: Stand) -> None:
    stand.step("echo A=1 >/vela/outputs/.env; chown -R 1000:1000 /vela/outputs; chmod 755 /vela/outputs")
    stand.place.die(stand.backend)

    stand.take_over()

    assert stand.read() == {".env": b"A=1\n"}


def test_what_a_step_writes_last_is_seen_although_it_is_read_before_the_engine_tells_of_the_exit(
    place: DockerPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every other step leaves a process behind that writes until it is killed."""
    made = Stand(place, RunSpec(id=new_run_id(), home="/vela", workdir="/vela/src", outputs=OUTPUTS))
    foresight = made.backend._foresight
    readers: list[str] = []
    ask = foresight._ask_outputs

    def noted(stage: Address) -> Mapping[str, bytes]:
        readers.append(threading.current_thread().name)
        return ask(stage)

    monkeypatch.setattr(foresight, "_ask_outputs", noted)
    writer = "cd /vela/outputs; >busy.env; (i=0; while :; do i=$((i + 1)); echo I=$i >>busy.env; done) & "
    for number in range(20):
        made.step(f"{writer if number % 2 else ''}sleep 0.1; echo V={number} >/vela/outputs/.env")

        found = made.read()
        assert found[".env"] == b"V=%d\n" % number
        assert found == ask(made.stage), "something goes on writing"
    ours = [reader for reader in readers if reader.startswith("foresight")]
    assert len(ours) > 10, "the exits are not heard of in time"
    assert len(readers) - len(ours) < 10, "what was read beforehand is not used"
    made.backend.close_run(made.run, keep=False)
    assert place.left(made.run.id) == ()


def test_steps_of_a_run_without_outputs_see_no_volume_for_them(place: DockerPlace) -> None:
    made = Stand(place, RunSpec(id=new_run_id(), home="/vela", workdir="/vela/src"))
    assert made.backend.outputs(made.stage) == {}
    assert not [line for line in made.step("cat /proc/mounts") if "outputs" in line]
    made.backend.close_run(made.run, keep=False)


@pytest.mark.parametrize("mode", [SourceMode.BIND, SourceMode.LAYER])
def test_outputs_lie_over_the_home_tree_also_where_the_source_is_bound_or_copied(
    place: DockerPlace, tmp_path: Path, mode: SourceMode
) -> None:
    run = RunSpec(
        id=new_run_id(), home="/vela", workdir="/vela/src", source=Source(path=tmp_path, mode=mode), outputs=OUTPUTS
    )
    made = Stand(place, run, overlays=mode is not SourceMode.LAYER)

    made.step("echo A=1 >../outputs/.env; echo here >file; echo home >../home")
    following = StageSpec(address=Address(run.id, "next"), layers=(made.stage,))
    made.backend.open_stage(following, _unheard)

    assert made.step("ls -A .. ../outputs; cat file ../home", stage=following.address)[-2:] == ["here", "home"]
    assert made.read() == {".env": b"A=1\n"}
    attempt = replace(following.address, step="step 2")
    assert made.backend.collect(attempt, ("fil?", "none"), tmp_path / "kept", wanted=lambda: True) == (
        "no file matches none",
    )
    assert (tmp_path / "kept" / "file").read_text() == "here\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == (
        ["file", "kept"] if mode is SourceMode.BIND else ["kept"]
    )
    made.backend.close_run(run, keep=False)
    assert place.left(run.id) == ()
