"""What stays of runs that failed, for how long, and what goes when nobody needs it any more."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runner.dispatch.housekeeping import Housekeeping
from runner.dispatch.keeping import Keeping
from runner.dispatch.requests import Again, Inline, Repository, Submission
from runner.errors import ConflictError, EngineUnavailableError, NotFoundError
from runner.naming import Address
from tests.support.daemons import Daemon, Grounds, text_of
from tests.support.hooked import DEADLINE
from tests.support.plans import hanging, plan, stage, step, steps_only
from tests.support.repositories import Repository as GitRepository

BAD = plan(stage("a", step("x")), stage("b", step("x", 1), needs=("a",)))
GOOD = steps_only(step("a"))


def _keeping(daemon: Daemon) -> Keeping:
    return daemon.house.service._looking._keeping


def _kept(daemon: Daemon) -> set[str]:
    return {each.id for each in daemon.house.means.runs.kept()}


def _tidied(daemon: Daemon) -> set[str]:
    """Tidy up; return the runs that are kept after it."""
    daemon.house.housekeeping.measure()
    daemon.house.housekeeping.tidy()
    return _kept(daemon)


def test_a_run_that_failed_is_kept_and_says_until_when_and_one_that_succeeded_is_not(
    daemon: Daemon, grounds: Grounds
) -> None:
    before = datetime.now(UTC)
    good, bad = daemon.run(GOOD), daemon.run(BAD)

    until = daemon.service.summary(bad).kept_until
    assert until is not None
    assert 0 <= (datetime.fromisoformat(until) - before).total_seconds() - 24 * 3600 < DEADLINE
    assert daemon.service.summary(good).kept_until is None
    assert _tidied(daemon) == grounds.world.kept == {bad}


def test_what_is_kept_goes_when_its_time_is_over(grounds: Grounds) -> None:
    with grounds.serving() as daemon:
        stays = daemon.run(BAD)
    grounds.set(keep_failed=0.0)
    with grounds.serving() as daemon:
        daemon.run(BAD)

        assert _tidied(daemon) == grounds.world.kept == {stays}


def test_of_too_many_kept_runs_the_newest_stay(grounds: Grounds) -> None:
    grounds.set(keep_failed_runs=2)
    with grounds.serving() as daemon:
        runs = [daemon.run(BAD) for _ in range(4)]

        assert _tidied(daemon) == grounds.world.kept == set(runs[2:])


def test_of_kept_runs_that_are_too_large_the_newest_stay(grounds: Grounds) -> None:
    grounds.set(keep_failed_bytes=100)
    with grounds.serving() as daemon:
        runs = [daemon.run(BAD) for _ in range(3)]
        grounds.sweep.sizes = dict(zip(runs, (50, 50, 50), strict=True))

        assert _tidied(daemon) == grounds.world.kept == set(runs[1:])


def test_kept_runs_are_measured_when_there_is_a_new_one_and_not_at_the_start(grounds: Grounds) -> None:
    """An engine takes minutes for it, and nothing would be driven meanwhile."""
    with grounds.serving() as daemon:
        daemon.run(BAD)
        assert [_tidied(daemon), _tidied(daemon)][0]
        assert grounds.sweep.asked == 1
        daemon.run(BAD)
        _tidied(daemon)
        assert grounds.sweep.asked == 2

    with grounds.serving():
        assert grounds.sweep.asked == 2


def test_what_a_rerun_stands_on_stays_until_the_rerun_needs_it_no_more(grounds: Grounds) -> None:
    grounds.set(keep_failed_runs=0)
    with grounds.serving() as daemon:
        first = daemon.run(BAD)
        daemon.house.dispatcher.drain()
        second = daemon.service.rerun(first, Again(failed=True)).id
        assert _tidied(daemon) == {first}

    with grounds.serving() as daemon:
        daemon.ended(second)
        assert grounds.world.layers[Address(second, "b")] == (Address(first, "a"),)
        assert _tidied(daemon) == {first}
        assert _tidied(daemon) == set()
        assert not grounds.world.kept


def test_what_somebody_looks_into_stays_and_carries_no_rerun(grounds: Grounds) -> None:
    grounds.set(keep_failed=0.0)
    with grounds.serving() as daemon:
        run = daemon.run(BAD)
        with _keeping(daemon).looking(run):
            assert _tidied(daemon) == {run}
            assert run in grounds.world.kept
            with pytest.raises(ConflictError, match="somebody has a shell") as caught:
                daemon.service.rerun(run, Again(failed=True))
            with pytest.raises(ConflictError, match="somebody has a shell"), _keeping(daemon).looking(run):
                pass
        assert caught.value.hint == "leave it first"
        assert _keeping(daemon).looked_into() == frozenset()
        assert _tidied(daemon) == set()


def test_what_a_rerun_stands_on_is_looked_into_by_nobody(daemon: Daemon) -> None:
    first = daemon.run(BAD)
    daemon.house.dispatcher.drain()
    second = daemon.service.rerun(first, Again(failed=True)).id

    with pytest.raises(ConflictError, match=f"run {second} stands on") as caught, _keeping(daemon).looking(first):
        pass
    assert caught.value.hint == "wait for its end"


def test_only_what_is_kept_can_be_looked_into(daemon: Daemon) -> None:
    good = daemon.run(GOOD)
    going = daemon.submit(steps_only(hanging("a")))
    daemon.until(going, "s/a")

    for run in (good, going):
        with pytest.raises(ConflictError, match="not kept"), _keeping(daemon).looking(run):
            pass
    with pytest.raises(NotFoundError), _keeping(daemon).looking("0badcafe"):
        pass


def test_a_run_is_free_again_also_when_looking_at_it_has_failed(daemon: Daemon) -> None:
    run = daemon.run(BAD)

    with pytest.raises(RuntimeError), _keeping(daemon).looking(run):
        raise RuntimeError

    with _keeping(daemon).looking(run):
        assert _keeping(daemon).looked_into() == {run}


def test_old_runs_are_forgotten_with_their_folders_and_what_is_kept_or_goes_on_is_not(grounds: Grounds) -> None:
    grounds.set(keep_runs=2)
    with grounds.serving() as daemon:
        kept = daemon.run(BAD)
        going = daemon.submit(steps_only(hanging("a")))
        daemon.until(going, "s/a")
        runs = [daemon.run(GOOD) for _ in range(4)]

        _tidied(daemon)

        left = [kept, going, *runs[2:]]
        assert {each.id for each in daemon.service.runs()} == set(left)
        assert {path.name for path in (grounds.data / "runs").iterdir()} == set(left)


def test_what_no_run_needs_is_removed_and_what_goes_on_stays(grounds: Grounds) -> None:
    with grounds.serving() as daemon:
        going = daemon.submit(steps_only(hanging("a")))
        daemon.until(going, "s/a")
        before = set(grounds.world.containers)
        grounds.world.runs.add("0badcafe")
        grounds.world.kept.add("0badcafe")

        _tidied(daemon)

        assert (grounds.world.runs, grounds.world.kept) == ({going}, set())
        assert set(grounds.world.containers) == before


def test_a_dead_life_leaves_nothing_to_the_next(grounds: Grounds) -> None:
    grounds.world.runs.add("0badcafe")

    with grounds.serving():
        assert not grounds.world.runs


def test_the_tree_of_a_run_is_given_back_when_it_is_kept_no_more(grounds: Grounds, repository: GitRepository) -> None:
    repository.commit("file")
    grounds.set(keep_failed=0.0)
    inline = Inline(text=text_of(BAD), repository=Repository(url=str(repository.root)))
    with grounds.serving() as daemon:
        run = daemon.ended(daemon.service.submit(Submission(inline=inline), local=False).id)
        assert daemon.house.dispatcher.settled(DEADLINE)
        assert set(daemon.house.means.trees._leases) == {run}

        _tidied(daemon)

        assert not daemon.house.means.trees._leases


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("runner.dispatch.housekeeping._EVERY_SECONDS", 0.02)
    return iter(())


def test_it_is_done_again_and_again_and_an_engine_that_does_not_answer_does_not_end_it(
    quick: None, grounds: Grounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    tidied = Housekeeping.tidy
    failures: list[Exception] = [EngineUnavailableError("no engine answers"), KeyError("a fault of ours")]

    def tidy(self: Housekeeping) -> None:
        if self._task is not None and failures:
            raise failures.pop()
        tidied(self)

    monkeypatch.setattr(Housekeeping, "tidy", tidy)
    grounds.set(keep_failed=0.0)
    with grounds.serving() as daemon:
        run = daemon.run(BAD)
        assert _eventually(daemon, run)
        assert not failures


def _eventually(daemon: Daemon, run: str) -> bool:
    """Whether a run is released before a test has failed."""
    for _ in range(int(DEADLINE / 0.02)):
        if run not in _kept(daemon):
            return True
        daemon.house.housekeeping._over.wait(0.02)
    return False


def test_a_data_directory_that_is_gone_is_a_problem(grounds: Grounds, tmp_path: Path) -> None:
    with grounds.serving() as daemon:
        housekeeping = daemon.house.housekeeping
        assert housekeeping.problems() == ()
        grounds.data.rename(tmp_path / "elsewhere")

        assert housekeeping.problems() == (f"{grounds.data}: No such file or directory",)
        (tmp_path / "elsewhere").rename(grounds.data)


def test_an_end_does_not_wait_for_an_engine_that_takes_minutes(
    quick: None, grounds: Grounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.dispatch.housekeeping._CLOSING_SECONDS", 0.05)
    with grounds.serving() as daemon:
        asked, answered = threading.Event(), threading.Event()

        def slow(instance: str) -> dict[str, int]:
            asked.set()
            answered.wait(DEADLINE)
            return {}

        grounds.sweep.volumes_of = slow  # type: ignore[method-assign]  # a large engine
        daemon.run(BAD)
        assert asked.wait(DEADLINE)

        daemon.house.housekeeping.close()

        assert daemon.house.housekeeping._task is not None
        assert daemon.house.housekeeping._task.alive
        answered.set()
