"""IBM's pipeline files, as data: every case as a user runs it, on real containers."""

import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.cli import Place, place_in
from tests.support.pipeline_cases import Case, read
from tests.support.pipeline_runs import ENVIRONMENT, ByDaemon, ByExec

DATA = Path(__file__).parent / "data"
GIVEN, OURS = read(DATA / "pipelinectl.yaml"), read(DATA / "pipeline_config_ours.yaml")
CASES: tuple[Case, ...] = (*GIVEN, *OURS)
WITH_CHILDREN = [case for case in CASES if case.expect.async_runs]
AT_A_TIME = 3
"""How many cases run at a time: they wait more than they work."""

Judged = Mapping[str, Future[None]]


def _wanted(request: pytest.FixtureRequest, function: str) -> list[Case]:
    """Return the cases that this run of the tests has chosen for a function of this module."""
    nodes = {item.nodeid for item in request.session.items}
    return [case for case in CASES if f"{request.node.nodeid}::{function}[{case.id}]" in nodes]


@contextmanager
def _judging(cases: list[Case], judge: Callable[[Case], None]) -> Iterator[Judged]:
    pool = ThreadPoolExecutor(AT_A_TIME)
    try:
        yield {case.id: pool.submit(judge, case) for case in cases}
    finally:
        pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def by_exec(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    def judge(case: Case) -> None:
        folder = tmp_path_factory.mktemp(case.id)
        with place_in(folder, ENVIRONMENT) as place:
            ByExec(place, case, folder).judge()

    with _judging(_wanted(request, test_exec_does_what_the_case_says.__name__), judge) as judged:
        yield judged


@pytest.fixture(scope="module")
def by_daemon(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    def judge(case: Case) -> None:
        ByDaemon(Place(house.repo, house.state, house.environment), case, tmp_path_factory.mktemp(case.id)).judge()

    root = tmp_path_factory.mktemp("daemon")
    data = root / "state" / "daemon"
    with place_in(root, {**ENVIRONMENT, "RUNNER_DATA_DIR": str(data), "RUNNER_DRAIN": "0"}) as house:
        daemon = house.start("daemon")
        daemon.until("listening on")
        with _judging(_wanted(request, test_a_daemon_does_what_the_case_says.__name__), judge) as judged:
            yield judged
        daemon.signal(signal.SIGTERM)
        assert daemon.finish().code == 0
        assert house.run("clean", "--daemon", data).code == 0


@pytest.mark.sampled
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_exec_does_what_the_case_says(case: Case, by_exec: Judged) -> None:
    by_exec[case.id].result()


@pytest.mark.sampled
@pytest.mark.parametrize("case", WITH_CHILDREN, ids=lambda case: case.id)
def test_a_daemon_does_what_the_case_says(case: Case, by_daemon: Judged) -> None:
    by_daemon[case.id].result()


def test_every_case_takes_part_once() -> None:
    assert len(GIVEN) == 57
    assert [name for name, count in Counter(case.id for case in CASES).items() if count > 1] == []
