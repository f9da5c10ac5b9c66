import subprocess
import sys
from pathlib import Path

import pytest

from runner.dispatch.expected import Expected
from runner.plan.model import Plan, Service
from runner.settings import Settings
from tests.support.plans import plan, stage, step, steps_only

FILE = b"steps: []"
PLAIN = steps_only(step("a"))
NAMED = plan(stage("s", step("a")), services=(Service(name="db", image="i"),))


def test_a_pipeline_is_likely_to_run_once_something_of_it_did(tmp_path: Path) -> None:
    settings = Settings(state=tmp_path)
    before = Expected(settings, FILE).likely

    Expected(settings, FILE).learn(PLAIN)

    assert not before
    assert Expected(settings, FILE).likely
    assert not Expected(settings, FILE + b" ").likely


@pytest.mark.parametrize("come_of_it", [plan(), NAMED, steps_only(step("a", detach=True), step("b"))])
def test_nothing_is_expected_of_a_pipeline_of_which_nothing_ran_or_which_needs_a_network(
    tmp_path: Path, come_of_it: Plan
) -> None:
    settings = Settings(state=tmp_path)

    Expected(settings, FILE).learn(come_of_it)

    assert not Expected(settings, FILE).likely


def test_where_nothing_can_be_kept_nothing_is_expected(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    settings = Settings(state=blocked)

    Expected(settings, FILE).learn(PLAIN)

    assert not Expected(settings, FILE).likely


def test_to_expect_a_pipeline_takes_no_docker_sdk() -> None:
    looked = "import runner.dispatch.expected, sys; print('docker' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", looked], capture_output=True, check=True).stdout == b"False\n"
