"""What is begun of a run before its pipeline is read."""

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.backends.fake import FakeBackend
from runner.backends.standing import World
from runner.cli import app
from runner.dialects import text
from runner.dispatch import place
from runner.engine.specs import RunSpec
from runner.errors import EngineUnavailableError, ExitCode
from tests.support.local import FakeSweep, placing

STEP = "{name: one, image: i, pull: never, commands: [x]}"
PIPELINE = f'version: "1"\nsteps: [{STEP}]\n'
SERVED = f"{PIPELINE}services: [{{name: db, image: i, pull: never}}]\n"
RULED = f'version: "1"\nsteps: [{STEP.replace("}", ", ruleset: {branch: main}}")}]\n'


class Diary(FakeBackend):
    """A backend that notes what is reserved, opened and closed."""

    def __init__(self) -> None:
        super().__init__(World(scale=0.02))
        self.notes: list[str] = []
        self.ids: list[str] = []

    def reserve(self, run: str) -> None:
        self.notes.append("reserve")
        self.ids.append(run)

    def reserved(self) -> tuple[str, ...]:
        return tuple(self.ids)

    def open_run(self, run: RunSpec) -> tuple[str, ...]:
        self.notes.append("open the reserved" if run.id in self.ids else "open")
        self.ids = [each for each in self.ids if each != run.id]
        return super().open_run(run)


class Desk:
    """A directory with a pipeline, and a way to run it; ``backend`` is another one for each run.

    ``place`` stands for this machine, if it is not one that works.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.backend = Diary()
        self.place: Callable[..., object] | None = None
        self._folder = folder
        self._monkeypatch = monkeypatch
        monkeypatch.chdir(folder)
        monkeypatch.setenv("RUNNER_STATE_DIR", str(folder.parent / "state"))
        FakeSweep().install(monkeypatch)

    def run(self, pipeline: str, *arguments: str) -> int:
        """Run a pipeline; return the exit code."""
        (self._folder / ".vela.yml").write_text(pipeline)
        self.backend = Diary()
        here = self.place or placing(self._folder.parent / "state", self.backend)
        self._monkeypatch.setattr(place, "local", here)
        self._monkeypatch.setattr(sys, "argv", ["runner", "exec", *arguments])
        return app.run()

    def tell_when_read(self) -> None:
        """Note in the diary when a pipeline is read."""
        read = text.to_plan

        def noting(*arguments: object, **options: object) -> object:
            self.backend.notes.append("read")
            return read(*arguments, **options)  # type: ignore[arg-type]  # whatever it takes

        self._monkeypatch.setattr("runner.dialects.text.to_plan", noting)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    (folder := tmp_path / "shop").mkdir()
    return Desk(folder, monkeypatch)


def test_the_sandbox_of_a_pipeline_that_ran_before_is_begun_before_it_is_read(desk: Desk) -> None:
    desk.tell_when_read()

    assert desk.run(PIPELINE) == 0
    assert desk.backend.notes == ["read", "reserve", "open the reserved"]
    assert desk.run(PIPELINE) == 0
    assert desk.backend.notes == ["reserve", "read", "open the reserved"]


def test_nothing_is_begun_for_a_pipeline_that_is_invalid_or_was_changed(desk: Desk) -> None:
    desk.run(PIPELINE)

    assert desk.run("steps: [") == ExitCode.INVALID
    assert desk.backend.notes == []
    desk.tell_when_read()
    assert desk.run(f"{PIPELINE}\n") == 0
    assert desk.backend.notes == ["read", "reserve", "open the reserved"]


def test_nothing_is_begun_early_for_a_run_with_a_network_of_its_own(desk: Desk) -> None:
    assert [desk.run(SERVED), desk.run(SERVED)] == [0, 0]
    assert desk.backend.notes == ["open"]


def test_a_sandbox_that_was_begun_for_nothing_is_left_for_its_place_to_remove(desk: Desk) -> None:
    desk.run(RULED, "--branch", "main")

    assert desk.run(RULED, "--branch", "other") == 0
    assert desk.backend.notes == ["reserve"]
    assert desk.backend.reserved() != ()


def test_a_pipeline_that_can_be_read_only_once_is_read_once(desk: Desk) -> None:
    os.mkfifo("pipe.yml")
    for _ in range(2):
        writing = threading.Thread(target=lambda: Path("pipe.yml").write_text(PIPELINE))
        writing.start()
        assert desk.run(PIPELINE, "pipe.yml") == 0
        writing.join()
        assert desk.backend.notes == ["reserve", "open the reserved"]


def test_without_an_engine_a_known_pipeline_is_still_read_first(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.run(RULED, "--branch", "main")

    def nowhere(_: object, *, early: bool = False) -> object:
        raise EngineUnavailableError(f"no engine answers, {early}")

    desk.place = nowhere

    assert desk.run(RULED, "--branch", "other") == 0
    assert desk.run(RULED, "--branch", "main") == ExitCode.INFRASTRUCTURE
    assert "no engine answers, False" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_told_of_as_ever(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.run(PIPELINE, "missing.yml") == ExitCode.INVALID
    assert "missing.yml" in capsys.readouterr().err
    assert desk.backend.notes == []
