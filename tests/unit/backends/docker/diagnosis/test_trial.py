"""A trial on an engine that says what the test tells it to; on a real one it is in tests/e2e/test_doctor.py."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.backends.docker.diagnosis.check import Verdict
from runner.backends.docker.diagnosis.trial import Trial
from runner.errors import EngineRefusedError
from runner.naming import LABEL_RUN, Instance
from runner.settings import DockerSettings
from tests.support.diagnosed import answer_well
from tests.support.stub_engine import Handler, StubEngine, answer, refuse, stub_engine

ME = Instance(id="0", kind="exec", host="here", owner="1", lock="/state/instances/0.lock")
UNMOUNTABLE = "failed to mount local volume: mount overlay: invalid argument"


@pytest.fixture
def stub() -> Iterator[StubEngine]:
    with stub_engine() as engine:
        answer_well(engine)
        yield engine


@pytest.fixture
def trial(stub: StubEngine, tmp_path: Path) -> Iterator[Trial]:
    engine = stub.engine()
    yield Trial(engine=engine, settings=DockerSettings(), instance=ME, source=tmp_path, driver="vfs")
    engine.api.close()


def test_the_sandbox_image_is_looked_for(trial: Trial, stub: StubEngine) -> None:
    there = trial.sandbox_image()
    stub.script["/images/runner-sandbox:1/json"] = [refuse(404, "no such image")]
    gone = trial.sandbox_image()

    assert (there.verdict, there.found) == (Verdict.OK, "runner-sandbox:1")
    assert (gone.verdict, gone.found) == (Verdict.BAD, "image runner-sandbox:1 is not there")
    assert "scripts/build-images" in gone.advice


def test_a_directory_that_the_engine_does_not_have_is_sent(trial: Trial, stub: StubEngine) -> None:
    stub.script["/containers/create"] = [refuse(400, "bind source path does not exist"), answer({"Id": "c0"})]

    source, workspaces = trial.workspaces()

    assert source.verdict is Verdict.NOTE
    assert "the engine does not see this directory" in source.found
    assert "as a tar" in source.advice
    assert (workspaces.verdict, workspaces.found) == (Verdict.OK, "are layered (vfs)")


def test_another_directory_of_the_same_name_is_not_the_source(trial: Trial) -> None:
    """The stub's directory has another time than ours."""
    source, _ = trial.workspaces()

    assert source.verdict is Verdict.NOTE


def test_an_overlay_that_cannot_be_mounted_makes_copies_and_says_why(trial: Trial, stub: StubEngine) -> None:
    stub.script["/containers/create"] = [refuse(400, "bind source path does not exist"), answer({"Id": "c0"})]
    stub.script["/containers/c0/archive"] = [refuse(500, UNMOUNTABLE)]

    _, workspaces = trial.workspaces()

    assert workspaces.verdict is Verdict.NOTE
    assert workspaces.found.startswith("are copied, since the engine cannot layer volumes here (vfs): ")
    assert workspaces.found.endswith("the mount fails (invalid argument)")


def test_an_overlay_that_the_engine_refuses_at_once_makes_copies(trial: Trial, stub: StubEngine) -> None:
    stub.script["/containers/create"] = [refuse(400, "no such path"), refuse(500, UNMOUNTABLE)]

    _, workspaces = trial.workspaces()

    assert workspaces.found.endswith("the mount fails (invalid argument)")


def test_an_overlay_that_does_not_show_makes_copies(trial: Trial, stub: StubEngine) -> None:
    stub.script["/containers/c0/archive"] = [refuse(404, "not there")]

    _, workspaces = trial.workspaces()

    assert workspaces.found.endswith("the mount does not show")


def test_what_is_made_carries_our_labels(trial: Trial, stub: StubEngine) -> None:
    made: list[dict[str, str]] = []
    behaviours = {path: stub.script[path][0] for path in ("/containers/create", "/volumes/create")}

    def note_labels(handler: Handler) -> None:
        made.append(json.loads(handler.body)["Labels"])
        behaviours[handler.path.removeprefix("/v1.41").partition("?")[0]](handler)

    stub.script |= {path: [note_labels] for path in behaviours}

    trial.workspaces()

    assert len(made) > 5
    assert all(labels.items() >= ME.labels().items() for labels in made)
    assert len({labels[LABEL_RUN] for labels in made}) == 1


def test_what_is_made_is_removed_whatever_happens(trial: Trial, stub: StubEngine) -> None:
    stub.script["/volumes/create"] = [refuse(500, "no space left on device")]
    stub.script["/volumes"] = [answer({"Volumes": [{"Name": "rx", "Mountpoint": "/v/rx", "Options": None}]})]
    stub.script["/volumes/rx"] = [answer(None)]

    with pytest.raises(EngineRefusedError, match="no space left on device"):
        trial.workspaces()

    done = [request.partition("?")[0] for request in stub.requests]
    assert done.count("DELETE /containers/c0") == done.count("POST /containers/create") == 1
    assert done[-1] == "DELETE /volumes/rx"
