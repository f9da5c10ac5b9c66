"""scripts/test: the order of the parts, their seconds, and an exit code that no part can hide."""

import os
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
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\n"
        "addopts = -p no:cacheprovider -p no:hypothesispytest -p no:anyio --import-mode=importlib\n"  # slow to load
        "markers = alone: after all others\n"
    )
    return tmp_path


def add(project: Path, part: str, body: str) -> None:
    (project / "tests" / part).mkdir(parents=True)
    (project / "tests" / part / "test_it.py").write_text(f"def test_it():\n    {body}\n")


def run(project: Path, *parts: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [project / "scripts" / "test", *parts],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
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


WITNESS = """\
import os, time
from pathlib import Path
import pytest

def note(name):
    with open("notes", "a") as notes:
        notes.write(f"{name} {os.environ['SEED']} {os.environ.get('PYTEST_XDIST_WORKER', 'one')}\\n")
"""


def test_files_run_side_by_side_with_one_seed_and_what_is_to_be_alone_after_them(project: Path) -> None:
    meets = (
        'def test_{0}():\n    note("begin {0}")\n    for _ in range(600):\n'
        '        if "begin {1}" in Path("notes").read_text():\n            return\n        time.sleep(0.05)\n'
        "    raise AssertionError\n"
    )
    add(project, "golden", "pass")
    folder = project / "tests" / "golden"
    folder.joinpath("test_a.py").write_text(
        WITNESS + '@pytest.mark.alone\ndef test_alone():\n    note("alone")\n\n' + meets.format("a", "b")
    )
    folder.joinpath("test_b.py").write_text(WITNESS + meets.format("b", "a"))

    done = run(project, "golden")

    notes = [line.split() for line in (project / "notes").read_text().splitlines()]
    assert done.returncode == 0, done.stdout
    assert [each[:-2] for each in notes[-1:]] == [["alone"]]
    assert {tuple(each[:-2]) for each in notes[:-1]} == {("begin", "a"), ("begin", "b")}
    assert len({each[-2] for each in notes}) == 1
    assert f"SEED={notes[0][-2]} repeats" in done.stdout
    assert notes[-1][-1] == "one"
    assert "3 passed" in done.stdout.splitlines()[-1]
    assert ", then 1 passed, 3 deselected" in done.stdout.splitlines()[-1]


def test_a_failure_of_what_runs_alone_is_not_hidden(project: Path) -> None:
    add(project, "golden", "pass")
    (project / "tests" / "golden" / "test_a.py").write_text(
        "import pytest\n\n@pytest.mark.alone\ndef test_a():\n    assert False\n"
    )

    done = run(project, "golden")

    assert done.returncode == 1
    assert "1 passed" in done.stdout.splitlines()[-1]
    assert "1 failed" in done.stdout.splitlines()[-1]


def test_only_the_named_parts_run(project: Path) -> None:
    add(project, "unit", "assert False")
    add(project, "golden", "pass")

    done = run(project, "golden")

    assert done.returncode == 0
    assert "## unit" not in done.stdout
