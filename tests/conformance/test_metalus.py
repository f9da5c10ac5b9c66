"""Executions, as data: every case as a user runs it, on real containers."""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from runner.cli.app import run
from tests.support.cli import Finished, Place, place_in
from tests.support.metalus_cases import Case, read
from tests.support.metalus_runs import OPTIONS, judge, seen, write

DATA = Path(__file__).parent / "data"
GIVEN, OWN = read(DATA / "metalus.yaml"), read(DATA / "metalus_own.yaml")
CASES = (*GIVEN, *OWN)
RUN = [case for case in CASES if not case.is_refused]
REFUSED = [case for case in CASES if case.is_refused]
AT_A_TIME = 4
"""How many cases run at a time: they wait more than they work."""

Judged = Mapping[str, Future[None]]


@pytest.fixture(scope="module")
def judged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    """Run all cases that this run of the tests has chosen, several at a time."""

    root = tmp_path_factory.mktemp("metalus")

    def tried(case: Case) -> None:
        with place_in(root / case.id) as place:
            judge(place, case)

    pool = ThreadPoolExecutor(AT_A_TIME)
    try:
        yield {case.id: pool.submit(tried, case) for case in _chosen(request)}
    finally:
        pool.shutdown(cancel_futures=True)


def _chosen(request: pytest.FixtureRequest) -> list[Case]:
    items = [item for item in request.session.items if isinstance(item, pytest.Function) and item.path == request.path]
    chosen = {item.callspec.id for item in items if "judged" in item.fixturenames}
    return [case for case in RUN if case.id in chosen]


@pytest.mark.sampled
@pytest.mark.parametrize("case", RUN, ids=lambda case: case.id)
def test_a_run_comes_to_what_the_case_says(case: Case, judged: Judged) -> None:
    judged[case.id].result()


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.id)
def test_what_the_case_refuses_needs_no_engine(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Place(tmp_path, tmp_path / "state")
    write(place, case)
    monkeypatch.chdir(place.repo)
    monkeypatch.setenv("RUNNER_STATE_DIR", str(place.state))
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    monkeypatch.setattr(sys, "argv", ["runner", "exec", *OPTIONS])

    code = run()

    out, err = capsys.readouterr()
    case.expect.judge(seen(case, Finished(code=code, out=out, err=err, seconds=0.0), place.runs))


def test_every_case_takes_part_once() -> None:
    assert (len(GIVEN), {case.id for case in REFUSED if case.kind != "validation"}) == (88, set())
    assert [name for name, count in Counter(case.id for case in CASES).items() if count > 1] == []


@pytest.mark.parametrize("case", RUN, ids=lambda case: case.id)
def test_a_case_speaks_of_executions_that_it_has(case: Case) -> None:
    expect = case.expect
    pairs = [name for pair in (*expect.order, *expect.overlap) for name in pair]
    paths = [*expect.log_lines, *expect.log_json, *expect.log_json_has, *expect.steps_not_run]
    named = {*expect.executions, *expect.max_parallel, *pairs, *(path.partition("/")[0] for path in paths)}

    assert {name.partition("[")[0] for name in named} <= case.executions.keys()
