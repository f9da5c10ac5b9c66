"""The rotating sample, taken by the conftest of all tests in a small project of its own."""

import re

import pytest

from tests.support.scripts import ROOT

pytest_plugins = ["pytester"]

CASES = """\
import pytest

@pytest.mark.parametrize("way", ["plain", pytest.param("dear", marks=pytest.mark.sampled)])
@pytest.mark.parametrize("number", range(16))
def test_mixed(way, number):
    pass

@pytest.mark.parametrize("shell", [pytest.param(name, marks=pytest.mark.sampled) for name in ("ash", "bash", "dash")])
def test_all_marked(shell):
    pass

@pytest.mark.sampled
@pytest.mark.parametrize("side", ["left", "right"])
def test_two(side):
    pass

@pytest.mark.sampled
def test_one():
    pass

def test_unmarked():
    pass
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.delenv("SEED", raising=False)
    pytester.makeconftest((ROOT / "tests" / "conftest.py").read_text())
    pytester.makepyfile(test_it=CASES)
    return pytester


def taken(project: pytest.Pytester, *arguments: str) -> set[str]:
    """Return the cases that a run takes."""
    done = project.runpytest_inprocess("--strict-markers", "-p", "no:cacheprovider", "-v", *arguments)
    assert done.ret == 0
    return set(re.findall(r"::(\S+) PASSED", done.stdout.str()))


def functions(cases: set[str]) -> set[str]:
    return {case.partition("[")[0] for case in cases}


def test_an_eighth_of_the_marked_cases_runs_beside_all_others_and_every_function_has_one(
    project: pytest.Pytester,
) -> None:
    cases = taken(project, "--seed", "0")

    assert {case for case in cases if "plain" in case} == {f"test_mixed[{number}-plain]" for number in range(16)}
    assert sum("dear" in case for case in cases) == 2
    assert sum(case.startswith("test_all_marked") for case in cases) == 1
    assert functions(cases) == {"test_mixed", "test_all_marked", "test_two", "test_one", "test_unmarked"}


def test_eight_seeds_in_a_row_take_every_case_and_a_seed_always_takes_the_same(project: pytest.Pytester) -> None:
    turns = [taken(project, "--seed", seed) for seed in map(str, range(7, 15))]

    assert set().union(*turns) == taken(project, "--all")
    assert all(functions(turn) == functions(turns[0]) for turn in turns)
    assert turns[1] == taken(project, "--seed", "8")


def test_the_seed_that_is_told_repeats_the_run(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    first = project.runpytest_inprocess("-p", "no:cacheprovider", "-v")
    told = re.search(r"a sample: (\d+) cases wait for another turn \(SEED=(\d+) repeats it, --all", first.stdout.str())
    assert told
    first.assert_outcomes(passed=39 - int(told[1]), deselected=int(told[1]))

    monkeypatch.setenv("SEED", told[2])

    assert taken(project) == set(re.findall(r"::(\S+) PASSED", first.stdout.str()))


def test_what_is_asked_for_by_name_runs_whatever_its_turn(project: pytest.Pytester) -> None:
    assert len(taken(project, "test_it.py::test_all_marked")) == 3


def test_nothing_is_said_where_nothing_waits(project: pytest.Pytester) -> None:
    for arguments in (("--all",), ("-k", "unmarked")):
        done = project.runpytest_inprocess("-p", "no:cacheprovider", *arguments)

        assert "sample" not in done.stdout.str()
