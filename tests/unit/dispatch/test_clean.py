import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.backends.docker.client import Engine
from runner.backends.docker.sweep import Remnant
from runner.dispatch.clean import Standing, clean, clean_daemon, sweep_daemon
from runner.errors import DaemonRunningError, InfrastructureError
from runner.naming import Instance
from runner.store import instances
from tests.support.local import FakeSweep, cache, remnant


@pytest.fixture(autouse=True)
def _masked() -> Iterator[None]:
    """Give the process back the umask that a daemon takes."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def me(tmp_path: Path) -> Iterator[Instance]:
    with instances.live(tmp_path, "exec") as instance:
        yield instance


@pytest.fixture
def dead(tmp_path: Path) -> str:
    """Return the lock of an instance that was killed."""
    path = tmp_path / "instances" / "dead.lock"
    path.parent.mkdir(exist_ok=True)
    path.touch()
    return str(path)


@pytest.fixture
def keeper(tmp_path: Path) -> str:
    """Return the lock of an instance that ended, and keeps its volumes."""
    with instances.live(tmp_path, "exec") as instance:
        instances.keep(instance)
    return instance.lock


def _names(sweep: FakeSweep) -> list[str]:
    return [found.name for found in sweep.there]


def test_what_dead_instances_left_is_removed_and_what_live_ones_have_is_not(
    me: Instance, dead: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with instances.live(tmp_path, "exec") as other:
        found = (
            remnant("mine", me.lock),
            remnant("dead", dead),
            remnant("other", other.lock),
            remnant("gone", "/instances/0.lock"),
        )
        sweep = FakeSweep(*found).install(monkeypatch)

        cleaned = clean(Engine(), me, kept=True)

    assert _names(sweep) == ["mine", "other"]
    assert (cleaned.removed, cleaned.left) == ((found[1], found[3]), ())


def test_only_instances_like_this_one_are_looked_at(me: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = FakeSweep().install(monkeypatch)

    clean(Engine(), me, kept=True)

    assert sweep.asked == [me]


def test_what_names_no_lock_is_left_alone(me: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = FakeSweep(remnant("who knows", "")).install(monkeypatch)

    clean(Engine(), me, kept=True)

    assert _names(sweep) == ["who knows"]


def test_the_next_exec_leaves_volumes_that_were_kept_and_only_them(
    me: Instance, keeper: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = FakeSweep(
        remnant("container", keeper), remnant("network", keeper, "network"), remnant("volume", keeper, "volume")
    ).install(monkeypatch)

    clean(Engine(), me, kept=False)

    assert _names(sweep) == ["volume"]
    assert instances.keeps(keeper)


def test_the_command_removes_volumes_that_were_kept(me: Instance, keeper: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = FakeSweep(remnant("volume", keeper, "volume")).install(monkeypatch)

    clean(Engine(), me, kept=True)

    assert _names(sweep) == []
    assert not Path(keeper).exists()


@pytest.mark.parametrize("kept", [True, False])
def test_volumes_that_nobody_wanted_to_keep_are_removed(
    me: Instance, dead: str, monkeypatch: pytest.MonkeyPatch, *, kept: bool
) -> None:
    sweep = FakeSweep(remnant("volume", dead, "volume")).install(monkeypatch)

    clean(Engine(), me, kept=kept)

    assert _names(sweep) == []


def test_the_lock_file_of_a_dead_instance_goes_with_its_last_object(
    me: Instance, dead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    FakeSweep(remnant("one", dead)).install(monkeypatch)

    clean(Engine(), me, kept=False)

    assert not Path(dead).exists()
    assert Path(me.lock).exists()


def test_what_cannot_be_removed_is_told_and_found_again(
    me: Instance, dead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, loose = remnant("stuck", dead), remnant("loose", dead)
    sweep = FakeSweep(stuck, loose).install(monkeypatch)
    sweep.stuck = {"stuck"}

    cleaned = clean(Engine(), me, kept=False)

    assert (cleaned.removed, cleaned.left) == ((loose,), (stuck,))
    assert Path(dead).exists()
    sweep.stuck = set()
    assert clean(Engine(), me, kept=False).removed == (stuck,)


def test_an_engine_that_refuses_is_told(me: Instance, dead: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = FakeSweep().install(monkeypatch)
    sweep.error = InfrastructureError("no")

    with pytest.raises(InfrastructureError, match="no"):
        clean(Engine(), me, kept=False)

    assert Path(dead).exists()


def test_caches_stay_unless_they_are_asked_for(me: Instance, dead: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = cache("go")
    sweep = FakeSweep(kept, remnant("one", dead)).install(monkeypatch)
    first = clean(Engine(), me, kept=True)
    assert _names(sweep) == ["go"]
    second = clean(Engine(), me, kept=True, lasting=True)

    assert kept not in first.removed
    assert (second.removed, second.left) == ((kept,), ())
    assert _names(sweep) == []


def test_a_cache_that_only_a_dead_instance_used_goes_and_one_in_use_stays(
    me: Instance, dead: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with instances.live(tmp_path, "exec") as alive:
        ended, going_on = remnant("ended", dead), remnant("going on", alive.lock)
        sweep = FakeSweep(cache("go"), cache("npm"), ended, going_on).install(monkeypatch)
        sweep.used = {"go": "ended", "npm": "going on"}

        cleaned = clean(Engine(), me, kept=True, lasting=True)

    assert cleaned.removed == (ended, cache("go"))
    assert cleaned.left == ()
    assert _names(sweep) == ["npm", "going on"]


def test_a_cache_that_cannot_be_removed_is_told(me: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = FakeSweep(cache("go"), cache("npm")).install(monkeypatch)
    sweep.stuck = {"npm"}

    cleaned = clean(Engine(), me, kept=True, lasting=True)

    assert (cleaned.removed, cleaned.left) == ((cache("go"),), (cache("npm"),))


RUNS = ("live", "kept", "over")


def _of_runs(owner: str) -> list[Remnant]:
    return [
        remnant(f"{run} {kind}", owner, kind, run=run) for run in RUNS for kind in ("container", "network", "volume")
    ]


def test_a_daemon_sweeps_all_but_what_live_runs_have_and_the_volumes_of_kept_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sweep = FakeSweep(*_of_runs("d1"), *_of_runs("d2")).install(monkeypatch)
    asked: list[int] = []

    def standing() -> Standing:
        asked.append(len(sweep.there))
        return Standing(live=frozenset({"live"}), kept=frozenset({"kept"}))

    cleaned = sweep_daemon(Engine(), "d1", standing)

    mine = [found.name for found in sweep.there if found.lock == "d1"]
    assert mine == ["live container", "live network", "live volume", "kept volume"]
    assert len(sweep.there) - len(mine) == 9
    assert (len(cleaned.removed), cleaned.left, asked) == (5, (), [18])


def test_what_a_daemon_cannot_remove_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = FakeSweep(*_of_runs("d1")).install(monkeypatch)
    sweep.stuck = {"over network"}

    assert [found.name for found in sweep_daemon(Engine(), "d1", Standing).left] == ["over network"]


def test_all_that_an_ended_daemon_has_is_removed_kept_or_not_and_nobody_elses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with instances.daemon(tmp_path) as daemon:
        pass
    sweep = FakeSweep(*_of_runs(daemon.id), *_of_runs("another"), cache("go")).install(monkeypatch)

    cleaned = clean_daemon(Engine(), tmp_path)
    assert {found.lock for found in cleaned.removed} == {daemon.id}
    assert len(sweep.there) == 10
    assert clean_daemon(Engine(), tmp_path, lasting=True).removed == (cache("go"),)


def test_a_daemon_that_lives_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with instances.daemon(tmp_path) as daemon:
        sweep = FakeSweep(*_of_runs(daemon.id)).install(monkeypatch)
        with pytest.raises(DaemonRunningError):
            clean_daemon(Engine(), tmp_path)

    assert len(sweep.there) == 9


def test_a_directory_in_which_no_daemon_has_worked_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FakeSweep().install(monkeypatch)

    with pytest.raises(InfrastructureError, match="cannot be a data directory"):
        clean_daemon(Engine(), tmp_path)
