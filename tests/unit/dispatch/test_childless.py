from pathlib import Path

from runner.backends.fake import FakeBackend
from runner.dispatch.childless import Childless
from runner.dispatch.family import Family
from runner.dispatch.orders import Order
from runner.dispatch.single import LocalRun
from tests.support.children import apart
from tests.support.local import fake_local, showing_nothing
from tests.support.plans import plan, stage, step

PLAIN = plan(stage("s", step("a")))


def test_a_run_without_async_stages_goes_on_to_its_end_without_a_family(tmp_path: Path) -> None:
    with fake_local(tmp_path / "state", FakeBackend()) as place:
        run = LocalRun(place, Order(plan=PLAIN), showing_nothing)
        document = run.drive(lambda _: None)
        run.family.wait()

    assert isinstance(run.family, Childless)
    assert (document["run"]["status"], run.family.reports()) == ("success", [])


def test_one_that_is_cancelled_ends_without_a_family_too(tmp_path: Path) -> None:
    with fake_local(tmp_path / "state", FakeBackend()) as place:
        run = LocalRun(place, Order(plan=PLAIN), None)
        run.cancel()
        document = run.drive(lambda _: None)

    assert document["run"]["status"] == "cancelled"


def test_a_run_with_async_stages_has_a_family(tmp_path: Path) -> None:
    with fake_local(tmp_path / "state", FakeBackend()) as place:
        run = LocalRun(place, Order(plan=plan(stage("s", step("a")), async_stages=(apart("scan"),))), showing_nothing)

    assert isinstance(run.family, Family)
