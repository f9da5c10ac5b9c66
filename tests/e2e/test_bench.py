"""The benchmark runs. Its figures are no test: a machine that runs tests is no place to measure."""

import subprocess
import sys
from pathlib import Path

from tests.bench.results import read
from tests.bench.works import WORKS
from tests.support.attempts import build_images
from tests.support.scripts import SCRIPTS


def test_the_benchmark_measures_what_is_cheap_and_writes_it_down(tmp_path: Path) -> None:
    build_images()
    command: list[str | Path] = [sys.executable, SCRIPTS / "bench", "--quick", "--json", tmp_path / "bench.json"]

    done = subprocess.run(command, check=False, capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")
    rows = read(tmp_path / "bench.json").rows
    assert [row.name for row in rows] == [work.name for work in WORKS if work.quick]
    assert all(min(row.ours + row.reference) > 0 for row in rows)
    assert all(any(line.startswith(row.title) for line in done.stdout.splitlines()) for row in rows)
