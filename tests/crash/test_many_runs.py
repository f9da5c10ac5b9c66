"""The daemon is killed with many runs in flight; how soon are all of them driven again, and is anything missing?

With ``--all`` there are fifty, else a few.
"""

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.attempts import BUSYBOX
from tests.support.lives import Lives, lives_in, until
from tests.support.survival import begins

RUNS, SAMPLE = 50, 5
MUST = 10.0
"""Seconds from the start of the daemon until all runs are driven again."""

PATIENCE = 300.0


def text(token: str) -> str:
    """Return a pipeline whose step prints a line every half second until there is a file ``go``; it counts them."""
    lines = "n=0; until [ -e /proof/go ]; do n=$((n + 1)); echo line $n; sleep 0.5; done"
    commands = [begins(token, "step"), lines, f"echo $n >/proof/{token}-lines"]
    return json.dumps({"version": "1", "steps": [{"name": "step", "image": BUSYBOX, "commands": commands}]})


class Fleet:
    """Runs that go on until they may end."""

    def __init__(self, lives: Lives, count: int) -> None:
        self._lives = lives
        self.runs = {lives.submit(text(f"m{number}")): f"m{number}" for number in range(count)}

    def kept(self, run: str) -> int:
        """Return how many bytes of output are kept of a run."""
        logs = self._lives.data / "runs" / run / "logs"
        return sum(path.stat().st_size for path in logs.glob("*.log"))

    def until_more(self, than: dict[str, int], began: float) -> list[float]:
        """Wait until more is kept of every run; return after how many seconds that was."""
        when: dict[str, float] = {}

        def all_have() -> bool:
            for run in self.runs.keys() - when:
                if self.kept(run) > than.get(run, 0):
                    when[run] = time.monotonic() - began
            return len(when) == len(self.runs)

        until(all_have, "the output of all runs", PATIENCE)
        return list(when.values())

    def end(self) -> None:
        """Let all runs end."""
        (self._lives.proof / "go").touch()
        until(lambda: all(self._lives.ended(run) for run in self.runs), "the end of all runs", PATIENCE)

    def complaints(self) -> list[str]:
        """Return which runs did not succeed, began twice, or whose output is not whole."""
        found = []
        for run, token in self.runs.items():
            status = self._lives.client.summary(run).status
            begun = (self._lives.proof / f"{token}-step").read_text().split()
            count = int((self._lives.proof / f"{token}-lines").read_text())
            lines = b"".join(self._lives.client.log(run, "steps", "step")).decode().splitlines()
            printed = [line for line in lines if not line.startswith("$ ")]
            if (status, begun, printed) != ("success", ["begun"], [f"line {n}" for n in range(1, count + 1)]):
                found.append(f"{run}: {status}, began {len(begun)} times, {count} lines of which {printed}")
        return found


def resident(pid: int) -> float:
    """Return the resident memory of a process, in MB."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


@pytest.mark.timeout(900)
def test_all_runs_are_driven_again_soon_after_the_daemon_was_killed(
    tmp_path: Path, request: pytest.FixtureRequest, tell: Callable[[str], None]
) -> None:
    count = RUNS if request.config.option.all else SAMPLE
    with lives_in(tmp_path, RUNNER_QUEUES=f"default={count}") as lives:
        lives.start()
        assert lives.process is not None
        idle = resident(lives.process.pid)
        fleet = Fleet(lives, count)
        began = time.monotonic()
        fleet.until_more({}, began)
        tell(f"{count} runs begun in {time.monotonic() - began:.1f} s,")
        tell(f"{idle:.0f} MB idle, {(resident(lives.process.pid) - idle) / count:.2f} MB for each;")
        lives.kill()
        kept = {run: fleet.kept(run) for run in fleet.runs}
        began = time.monotonic()
        answered = lives.start()
        seconds = fleet.until_more(kept, began)
        half, last = statistics.median(seconds), max(seconds)
        tell(f"killed, answers after {answered:.1f} s, half of all are driven after {half:.1f}, all after {last:.1f} s")
        fleet.end()
        complaints, code, left = fleet.complaints(), lives.end(), lives.objects()

    assert (complaints, code, left) == ([], 0, [])
    assert last <= MUST
