"""How the results of stages reach later steps, and what is read at the end; ``test_run`` drives whole runs."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from runner.backends.fake import FakeBackend
from runner.backends.standing import World
from runner.engine.backend import Wanted
from runner.engine.events import Event, Notice
from runner.engine.journal import Entry, Memory
from runner.engine.values import MOST_SAVED, Values, restarted
from runner.errors import ConflictError, EngineRefusedError, InfrastructureError
from runner.naming import ORIGINS
from runner.pipelinectl.saved import Saved, Saves
from runner.pipelinectl.values import Store
from runner.plan.status import Status
from tests.support.crash import Crash
from tests.support.engine import RUN, SCALE, Life, VaryingBackend, at, drive
from tests.support.hooked import Fault, HookedBackend
from tests.support.plans import plan, stage, step, steps_only


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

    def returns(self, run: str) -> Mapping[str, bytes]:
        assert run == RUN
        return {}


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


MAKING = step(
    "a",
    fake={"FAKE_SET_ENV": "X=1", "FAKE_OUTPUT": "A=1", "FAKE_MASKED_OUTPUT": "B=geheim", "FAKE_SAVE_FILE": "f=text"},
)


def test_the_values_at_the_start_of_each_stage_are_saved_but_nothing_that_is_to_be_masked(tmp_path: Path) -> None:
    of = plan(stage("make", MAKING), stage("use", step("a"), needs=("make",)), outputs="/outputs")

    drive(of, saves=tmp_path)

    first, second = (Saves(tmp_path).read(at(name)) for name in ("make", "use"))
    assert (dict(first.left), first.files, "e.X" in first.values) == ({}, None, False)
    assert second.left == {".env": b"A=1\n"}
    assert second.values == {**first.values, "e.X": b"1\n", "d.result,make": b"success\n"}
    assert second.files is not None
    assert b"text" in second.files.read_bytes()
    assert not any(b"geheim" in path.read_bytes() for path in tmp_path.iterdir())


def test_every_round_of_a_stage_begins_with_values_of_its_own(tmp_path: Path) -> None:
    world = World(scale=SCALE)
    backend = VaryingBackend(world, {at("s/a"): {"FAKE_SET_ENV": "X=1", "FAKE_EXIT": "1"}})

    drive(steps_only(step("a"), retry=1), backend=backend, saves=tmp_path)

    rounds = [Saves(tmp_path).read(at("s", round=number)).values for number in (1, 2)]
    assert [found.get("e.X") for found in rounds] == [None, b"1\n"]


def test_nothing_is_read_or_saved_unless_it_is_asked_for() -> None:
    backend = _Stores(InfrastructureError("not to be asked"))

    Values(backend, RUN, _nobody).save(at("s"))


def test_a_stage_that_an_earlier_life_has_begun_is_not_saved_as_it_is_by_now(tmp_path: Path) -> None:
    journal = Memory()
    writer = journal.take()
    for path in ("", "s", "s/a"):
        writer.append(Entry(address=at(path), status=Status.RUNNING, at=0.0))
    writer.append(Entry(address=at("s/a"), status=Status.SUCCESS, exit_code=0, at=0.1))

    drive(steps_only(step("a"), step("b")), journal=journal, saves=tmp_path)

    assert not Saves(tmp_path).has(at("s"))


@pytest.mark.parametrize("verb", ["prepare", "follow"])
def test_a_stage_whose_driver_died_before_its_first_release_is_saved_by_the_next(tmp_path: Path, verb: str) -> None:
    world, journal = World(scale=SCALE), Memory()
    of = steps_only(step("a"))
    dying = HookedBackend(FakeBackend(world), after=Fault(verb, "s/a", Crash()))
    with pytest.raises(Crash):
        Life(of, backend=dying, journal=journal, saves=tmp_path).start().finish()
    world.client_dies()

    drive(of, backend=FakeBackend(world), journal=journal, saves=tmp_path)

    assert Saves(tmp_path).has(at("s"))


def test_what_an_earlier_life_has_saved_stays(tmp_path: Path) -> None:
    Saves(tmp_path).write(at("s"), Saved(values={"e.X": b"1\n"}))

    drive(steps_only(step("a")), saves=tmp_path)

    assert Saves(tmp_path).read(at("s")).values == {"e.X": b"1\n"}


def test_what_cannot_be_saved_is_told_and_noted_and_changes_no_status(tmp_path: Path) -> None:
    class Full(FakeBackend):
        def save_files(self, run: str, target: Path, *, most: int, wanted: Wanted) -> None:
            super().save_files(run, target, most=most - MOST_SAVED, wanted=wanted)

    of = plan(stage("make", MAKING), stage("use", step("a"), needs=("make",)))

    result = drive(of, backend=Full(World(scale=SCALE)), saves=tmp_path)

    assert result.run.status is Status.SUCCESS
    assert result.notices == [f"no rerun can begin at stage use: the files of run {RUN} have more than 0 bytes"]
    with pytest.raises(ConflictError, match="more than 0 bytes"):
        Saves(tmp_path).read(at("use"))


def test_what_was_saved_at_the_end_counts_where_all_had_been_done(tmp_path: Path) -> None:
    backend = _Stores()
    backend.files = {"e.a": b"1\n"}
    values = Values(backend, RUN, _nobody, saves=Saves(tmp_path))
    assert values.read(wanted=lambda: True).contents == {"e.a": b"1\n"}
    backend.files = {}

    assert values.read(wanted=lambda: True, done=True).contents == {"e.a": b"1\n"}
    assert values.read(wanted=lambda: True).contents == {}
    assert values.read(wanted=lambda: True, done=True).contents == {}


def test_values_that_cannot_be_saved_at_the_end_are_told_and_returned(tmp_path: Path) -> None:
    told: list[Event] = []
    (tmp_path / "file").touch()

    values = Values(_Stores(), RUN, told.append, saves=Saves(tmp_path / "file"))

    assert values.read(wanted=lambda: True) == Store()
    assert [str(event).partition(":")[0] for event in told] == ["Notice(text='the values of the run could not be saved"]


def test_a_rerun_knows_the_results_of_what_it_takes_over_and_no_others() -> None:
    files = {"d.result,a": b"failure\n", "d.result,b": b"failure\n", "p.one-pipeline-status": b"1\n", "e.x": b"1\n"}

    found = restarted(files, {"a": Status.SUCCESS, "c": Status.SKIPPED}, ["b", ORIGINS])

    assert found == {"d.result,a": b"success\n", "d.result,c": b"skipped\n", "e.x": b"1\n"}


def _nobody(event: Event) -> None:
    raise AssertionError(event)
