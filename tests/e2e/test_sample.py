"""The first command of the README does what it says."""

import os
import subprocess
from pathlib import Path

from tests.support.scripts import ROOT


def test_make_run_runs_the_sample_to_its_end(tmp_path: Path) -> None:
    environment = {**os.environ, "RUNNER_STATE_DIR": str(tmp_path)}
    made = subprocess.run(
        ["make", "-C", ROOT, "run"], env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    lines = made.stdout.splitlines()

    assert made.returncode == 0, made.stdout + made.stderr
    assert "report/notify | the shop's pipeline has ended" in lines
    assert any(line.startswith("smoke/visit: success") for line in lines)
    assert any(line.startswith("run ") and ": success in " in line for line in lines)
    assert not any("something is broken" in line for line in lines)
