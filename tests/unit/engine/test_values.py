"""How the results of stages reach later steps, and what is read at the end; ``test_run`` drives whole runs."""

from collections.abc import Mapping

import pytest

from runner.backends.fake import FakeBackend
from runner.engine.backend import Wanted
from runner.engine.events import Event, Notice
from runner.engine.values import Values
from runner.errors import EngineRefusedError, InfrastructureError
from runner.naming import ORIGINS
from runner.pipelinectl.values import Store
from runner.plan.status import Status
from tests.support.engine import RUN


class _Stores(FakeBackend):
    """A backend that keeps what is put, or has a trouble."""

    def __init__(self, trouble: InfrastructureError | None = None) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {}
        self.trouble = trouble

    def put_values(self, run: str, files: Mapping[str, bytes]) -> None:
        assert run == RUN
        if self.trouble is not None:
            raise self.trouble
        self.files |= files

    def values(self, run: str, *, wanted: Wanted) -> Store:
        assert run == RUN
        if self.trouble is not None:
            raise self.trouble
        return Store(contents=self.files)


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (Status.SUCCESS, "success"),
        (Status.SKIPPED, "skipped"),
        *((status, "failure") for status in (Status.FAILURE, Status.ERROR, Status.TIMEOUT, Status.LOST)),
    ],
)
def test_a_stage_that_has_ended_has_one_of_three_results(status: Status, word: str) -> None:
    backend = _Stores()

    Values(backend, RUN, _nobody).stage_ended("scan/é", status)

    assert backend.files["d.result,scan%2F%C3%A9"] == f"{word}\n".encode()
    assert backend.files.get("p.one-pipeline-status") == (b"1\n" if word == "failure" else None)


@pytest.mark.parametrize("status", [Status.CANCELLED, Status.NOT_RUN])
def test_a_stage_that_did_not_come_to_its_own_end_has_no_result(status: Status) -> None:
    backend = _Stores()

    Values(backend, RUN, _nobody).stage_ended("build", status)

    assert backend.files == {}


def test_that_secrets_were_fetched_is_no_result() -> None:
    backend = _Stores()

    Values(backend, RUN, _nobody).stage_ended(ORIGINS, Status.SUCCESS)

    assert backend.files == {}


def test_what_cannot_be_written_is_told() -> None:
    told: list[Event] = []

    Values(_Stores(EngineRefusedError("no room", status=500)), RUN, told.append).stage_ended("build", Status.SUCCESS)

    assert told == [Notice("steps will not see how stage build has ended: no room")]


def test_what_cannot_be_read_is_told_and_empty() -> None:
    told: list[Event] = []

    values = Values(_Stores(EngineRefusedError("gone", status=404)), RUN, told.append)

    assert values.read(wanted=lambda: True) == Store()
    assert told == [Notice("the values of the run could not be read: gone")]


def _nobody(event: Event) -> None:
    raise AssertionError(event)
