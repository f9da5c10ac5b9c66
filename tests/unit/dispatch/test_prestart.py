"""The setting for starting steps before their turn reaches every run: of exec, of its children, of a daemon."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from runner.backends.fake import FakeBackend
from runner.backends.standing import World
from runner.dispatch.family import Family
from runner.dispatch.orders import Order
from runner.dispatch.single import LocalRun
from runner.engine.journal import Entry
from runner.plan.status import Status
from runner.store.runs import RunFolder
from tests.support.children import apart, triggering
from tests.support.daemons import Grounds
from tests.support.local import FakeSweep, fake_local, showing_nothing
from tests.support.plans import plan, stage, step

CHILD = apart("scan", step("x", seconds=1), step("y"))
PARENT = plan(stage("s", triggering("t", "scan", seconds=1), step("b")), async_stages=(CHILD,))


def made_ready(entries: Iterable[Entry]) -> list[str]:
    """Return the steps that were made ready before their turn, as a journal has them."""
    return [entry.address.step for entry in entries if entry.status is Status.PENDING]


@pytest.mark.parametrize(("prestart", "ahead"), [(True, (["b"], ["y"])), (False, ([], []))])
def test_a_run_of_exec_and_its_async_stages_start_steps_as_the_setting_says(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    prestart: bool,  # noqa: FBT001 - a case of it
    ahead: tuple[list[str], list[str]],
) -> None:
    FakeSweep().install(monkeypatch)
    with fake_local(tmp_path / "state", FakeBackend(World(scale=0.05))) as usual:
        place = replace(usual, settings=replace(usual.settings, prestart=prestart))
        run = LocalRun(place, Order(plan=PARENT), showing_nothing)
        run.drive(lambda _: None)
        run.family.wait()
        assert isinstance(run.family, Family)
        (child,) = run.family.members()

        found = [RunFolder(place.settings.state / "runs" / each).journal.read() for each in (run.id, child.id)]

    assert tuple(made_ready(entries) for entries in found) == ahead


@pytest.mark.parametrize(("prestart", "ahead"), [(True, ["b"]), (False, [])])
def test_a_daemon_starts_steps_as_its_setting_says(
    grounds: Grounds,
    prestart: bool,  # noqa: FBT001 - a case of it
    ahead: list[str],
) -> None:
    grounds.settings = replace(grounds.settings, prestart=prestart)
    with grounds.serving() as daemon:
        run = daemon.give(plan(stage("s", step("a", seconds=5), step("b"))))
        daemon.ended(run)

        assert made_ready(daemon.house.means.journal(run).read()) == ahead
