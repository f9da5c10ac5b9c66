"""What a sandbox that is being made lets others wait for; what the real engine does is in tests/integration."""

import threading
from collections.abc import Iterator

import pytest

from runner.backends.docker.answers import Answers
from runner.backends.docker.boxes import Boxes, Sandbox
from runner.engine.job import Task
from runner.engine.specs import RunSpec
from runner.errors import InfrastructureError
from runner.settings import DockerSettings
from tests.support.connections import connection_pair
from tests.support.standing import INSTANCE
from tests.support.stub_engine import stub_engine

RUN = RunSpec(id="aa", home="/h", workdir="/w")


@pytest.fixture
def boxes() -> Iterator[Boxes]:
    with stub_engine() as stub:
        engine = stub.engine()
        yield Boxes(engine, DockerSettings(), INSTANCE)
        engine.api.close()


@pytest.fixture
def answers() -> Iterator[Answers]:
    connection, end = connection_pair()
    yield Answers("box", connection)
    connection.close()
    end.close()


def test_a_sandbox_runs_before_the_volumes_of_its_run_are_filled(
    boxes: Boxes, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = threading.Event()
    monkeypatch.setattr(boxes, "_open", lambda *_: full.wait())
    box = boxes.fill(RUN, Sandbox(id="box", answers=answers, starting=Task("start", lambda: None)), lambda: None)

    box.runs()
    waiting = Task("wait", box.ready)

    assert not waiting.over(0.1)
    full.set()
    waiting.finish()


def test_a_sandbox_that_cannot_be_started_neither_runs_nor_is_ready(boxes: Boxes, answers: Answers) -> None:
    lost: list[str] = []

    def start() -> None:
        raise InfrastructureError("no bridge")

    box = boxes.fill(RUN, Sandbox(id="box", answers=answers, starting=Task("start", start)), lambda: lost.append("box"))

    for wait in (box.runs, box.ready):
        with pytest.raises(InfrastructureError, match="no bridge"):
            wait()
    assert (lost, box.failed) == (["box"], True)
