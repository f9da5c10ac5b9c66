"""A daemon that dies at its n-th effect while a run starts an async stage, for every n: there is one child, always.

As in ``test_points``. The pipeline is a registered one, so that the hook behind the async stage is made, too. After an
effect is before the next one, so that a daemon dies after each.
"""

import time
from contextlib import suppress
from pathlib import Path

import pytest

from runner.backends.standing import leftovers
from runner.dispatch.requests import Definition, Submission
from runner.engine import children
from runner.pipelinectl.payload import read_payload
from tests.support.children import apart, triggering
from tests.support.crash import Crash, Mortality, Point
from tests.support.daemons import Daemon, Grounds, commit
from tests.support.hooked import DEADLINE
from tests.support.plans import plan, stage, step
from tests.support.repositories import Repository

NAME = "org/shop"
HANDED = {"FAKE_SET_ENV": "colour=green", "FAKE_EXPORT_ENV": "colour"}
PLAN = plan(
    stage("build", triggering("ask", "check", fake=HANDED), step("more", seconds=2)),
    async_stages=(apart("check", step("x", text="checked")),),
)
MOST = 60
"""More points than a life has."""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "_LOOK_SECONDS", 0.01)


@pytest.fixture
def grounds(tmp_path: Path, repository: Repository) -> Grounds:
    """A data directory in which the pipeline is registered."""
    found = Grounds(data=tmp_path / "data")
    with found.living() as daemon:
        daemon.service.register(NAME, Definition(repository=str(repository.root)))
    return found


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """The repository of the pipeline."""
    found = Repository(tmp_path_factory.mktemp("repository") / "shop")
    commit(found, PLAN)
    return found


def _submit(daemon: Daemon) -> str:
    return daemon.service.submit(Submission(pipeline=NAME), local=True).id


def _live(grounds: Grounds, mortality: Mortality) -> None:
    """Submit the run, and live until its end and that of its child, or one's own."""
    with suppress(Crash), grounds.living(mortality) as daemon:
        _submit(daemon.serve())
        runs = daemon.house.means.runs
        while not mortality.dead.is_set() and not all(runs.get(each.id).status.ended for each in daemon.service.runs()):
            time.sleep(0.002)
        daemon.house.dispatcher.settled(0.0 if mortality.dead.is_set() else DEADLINE)


def _check(daemon: Daemon) -> None:
    """See that the run and its only child came to what they should, whatever has happened before."""
    known = [each for each in daemon.service.runs() if not each.parent]
    run = daemon.ended(known[0].id if known else _submit(daemon))

    (child,) = daemon.house.means.runs.children(run)
    daemon.ended(child.id)

    assert daemon.house.dispatcher.settled(DEADLINE)
    assert (daemon.status(run), daemon.status(child.id)) == ("success", "success")
    assert len(daemon.service.runs()) == 2
    assert read_payload(daemon.house.means.order(child.id).inputs.payload).values == {"colour": "green"}
    assert daemon.service.report(child.id)["values"]["env"] == {"colour": "green"}
    assert daemon.text(child.id) == "check/x | checked\n"
    assert daemon.service.report(run)["children"] == [{"stage": "check", "id": child.id, "status": "success"}]


@pytest.mark.sampled
@pytest.mark.parametrize("number", range(1, MOST))
def test_a_daemon_may_die_after_any_effect_and_there_is_one_child(grounds: Grounds, number: int) -> None:
    _live(grounds, Mortality(Point(number, after=True)))

    with grounds.serving() as daemon:
        _check(daemon)

        assert len(daemon.service.hooks(NAME)) == 1
        assert [str(address) for address, count in grounds.world.starts.items() if count != 1] == []
        assert leftovers(grounds.world) == ()


def test_a_life_has_fewer_effects_than_are_tried_and_more_than_a_few(grounds: Grounds) -> None:
    life = Mortality()
    _live(grounds, life)

    assert 20 < life.effects < MOST
