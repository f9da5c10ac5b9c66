import json
import os
import shutil
import time
from itertools import count
from pathlib import Path

import pytest

from runner.errors import InfrastructureError
from runner.naming import Instance
from runner.plan import codec
from runner.plan.model import Facts, Plan
from runner.store import instances, runs
from runner.store.runs import KEPT, RunFolder, RunStore
from tests.support.plans import plan, stage, step, steps_only

PLAN = plan(stage("build", step("a")), stage("test", step("b")))


def _instance(lock: Path) -> Instance:
    return Instance(id="me", kind="exec", host="here", owner="0", lock=str(lock))


@pytest.fixture
def gone(tmp_path: Path) -> Instance:
    """Return an instance that lives no more."""
    return _instance(tmp_path / "instances" / "gone.lock")


def _many(store: RunStore, count: int, instance: Instance, prefix: str = "") -> list[RunFolder]:
    """Make runs, each a second younger than the one before."""
    made = []
    for number in range(count):
        folder = store.create(f"{prefix}{number:04}", PLAN, instance)
        os.utime(folder.path, (1_000 + number, 1_000 + number))
        made.append(folder)
    return made


def test_a_run_has_a_folder_with_its_plan_and_room_for_logs_and_journal(tmp_path: Path, gone: Instance) -> None:
    folder = RunStore(tmp_path).create("0badcafe", PLAN, gone)

    assert folder.id == "0badcafe"
    assert folder.path == tmp_path / "runs" / "0badcafe"
    assert folder.logs.is_dir()
    assert codec.from_document(json.loads((folder.path / "plan.json").read_text(encoding="utf-8"))) == PLAN
    assert folder.journal.take().epoch == 1
    assert (folder.path / "journal.jsonl").exists()


def test_only_its_owner_may_look_into_a_run(tmp_path: Path, gone: Instance) -> None:
    folder = RunStore(tmp_path).create("a", PLAN, gone)

    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert folder.logs.stat().st_mode & 0o777 == 0o700


def test_a_fact_that_is_not_unicode_can_be_kept(tmp_path: Path, gone: Instance) -> None:
    odd = Plan(dialect="vela", stages=steps_only(step("a")).stages, facts=Facts(branch="caf\udce9"))

    folder = RunStore(tmp_path).create("a", odd, gone)

    text = (folder.path / "plan.json").read_text(encoding="utf-8", errors="surrogatepass")
    assert codec.from_document(json.loads(text)) == odd


def test_the_newest_fifty_stay(tmp_path: Path, gone: Instance) -> None:
    assert KEPT == 50

    made = _many(RunStore(tmp_path), KEPT + 3, gone)

    assert {path.name for path in (tmp_path / "runs").iterdir()} == {folder.id for folder in made[-KEPT:]}


def test_runs_that_begin_within_one_tick_of_the_kernel_are_listed_in_their_order(
    tmp_path: Path, gone: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = count(1_000_000_000_000_000_000)
    monkeypatch.setattr(time, "time_ns", lambda: next(moments))
    store = RunStore(tmp_path)

    made = [store.create(f"{number * 7 % 20:08}", PLAN, gone).id for number in range(20)]
    for folder in store.all():
        assert folder.plan.stat().st_mtime_ns < next(moments), "dated by the kernel"

    assert [folder.id for folder in store.all()] == made


def test_what_a_run_has_left_goes_with_it(tmp_path: Path, gone: Instance) -> None:
    store = RunStore(tmp_path)
    oldest = store.create("oldest", PLAN, gone)
    (oldest.logs / "a.log").write_text("text")
    os.utime(oldest.path, (1, 1))

    _many(store, KEPT, gone)

    assert not oldest.path.exists()


def test_a_run_that_goes_on_stays_however_old_it_is(tmp_path: Path, gone: Instance) -> None:
    store = RunStore(tmp_path)
    with instances.live(tmp_path, "exec") as alive:
        going = store.create("going", PLAN, alive)
        os.utime(going.path, (1, 1))
        _many(store, KEPT + 1, gone)
        assert (going.over, going.path.exists()) == (False, True)

    assert (going.over, going.path.exists()) == (True, True)
    store.create("next", PLAN, gone)
    assert not going.path.exists()


def test_a_folder_that_names_no_owner_is_over(tmp_path: Path) -> None:
    assert RunFolder(tmp_path).over


def test_a_folder_that_another_process_removes_at_this_moment_is_no_trouble(
    tmp_path: Path, gone: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RunStore(tmp_path)
    first, *_ = _many(store, KEPT + 1, gone, prefix="x")
    assert not first.path.exists()
    victim = tmp_path / "runs" / "x0001"
    stat = Path.stat

    def vanishing(self: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if self == victim and victim in (tmp_path / "runs").iterdir():
            shutil.rmtree(victim)
        return stat(self, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", vanishing)

    assert store.create("new", PLAN, gone).logs.is_dir()
    assert not victim.exists()


def test_a_place_that_cannot_be_written_is_named_with_a_way_out(tmp_path: Path, gone: Instance) -> None:
    (tmp_path / "runs").touch()

    with pytest.raises(InfrastructureError, match=f"cannot keep the run in {tmp_path}/runs/a: ") as caught:
        RunStore(tmp_path).create("a", PLAN, gone)

    assert caught.value.hint == "RUNNER_STATE_DIR names another place"


def test_two_runs_never_share_a_folder(tmp_path: Path, gone: Instance) -> None:
    RunStore(tmp_path).create("a", PLAN, gone)

    with pytest.raises(InfrastructureError, match="File exists"):
        RunStore(tmp_path).create("a", PLAN, gone)


def test_the_folder_is_described_where_the_code_is() -> None:
    text = runs.__doc__ or ""

    assert all(name in text for name in ("plan.json", "journal.jsonl", "logs/", "owner"))
