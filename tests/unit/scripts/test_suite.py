"""scripts/test: the order of the parts, their seconds, and an exit code that no part can hide."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.scripts import ROOT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "test", tmp_path / "scripts")
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider --import-mode=importlib\n")
    return tmp_path


def add(project: Path, part: str, body: str) -> None:
    (project / "tests" / part).mkdir(parents=True)
    (project / "tests" / part / "test_it.py").write_text(f"def test_it():\n    {body}\n")


def run(project: Path, *parts: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [project / "scripts" / "test", *parts], capture_output=True, text=True, timeout=60, check=False
    )


def test_parts_run_in_order_and_the_table_closes_with_each_ones_result(project: Path) -> None:
    add(project, "golden", "pass")
    add(project, "unit", "pass")

    done = run(project)

    assert done.returncode == 0
    assert done.stdout.index("## unit") < done.stdout.index("## golden") < done.stdout.index("## seconds")
    table = done.stdout.split("## seconds of each part\n")[1].splitlines()
    assert [line.split()[0] for line in table] == [
        "unit", "golden", "contract", "conformance", "integration", "crash", "e2e",
    ]  # fmt: skip
    assert "1 passed" in table[0]
    assert "no tests yet" in table[2]


def test_a_failing_part_fails_the_whole_and_the_later_parts_still_run(project: Path) -> None:
    add(project, "unit", "assert False")
    add(project, "e2e", "pass")

    done = run(project)

    assert done.returncode == 1
    assert "1 failed" in done.stdout
    assert "1 passed" in done.stdout.splitlines()[-1]


def test_all_cases_can_be_asked_for(project: Path) -> None:
    add(project, "golden", "pass")
    (project / "tests" / "conftest.py").write_text(
        'def pytest_addoption(parser):\n    parser.addoption("--all", action="store_true")\n'
        "def pytest_report_header(config):\n    return 'whole' if config.option.all else 'a sample'\n"
    )

    assert "\nwhole\n" in run(project, "--all", "golden").stdout
    assert "\na sample\n" in run(project, "golden").stdout


def test_only_the_named_parts_run(project: Path) -> None:
    add(project, "unit", "assert False")
    add(project, "golden", "pass")

    done = run(project, "golden")

    assert done.returncode == 0
    assert "## unit" not in done.stdout
