"""Many runs at a time in a daemon that is killed: how soon are all driven again, and what memory does it take?"""

import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from tests.support.attempts import BUSYBOX
from tests.support.lives import Lives, until
from tests.support.survival import begins

PATIENCE = 300.0
"""Seconds after which something of many runs that is waited for will not come."""


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """What was seen of a daemon that was killed. Seconds; memory in MB.

    ``begun`` is how long it took until all runs had printed a line; ``idle`` is the resident memory of a daemon without
    runs, and ``each`` what every run added. ``answered`` and ``driven`` count from the start of the next daemon: until
    it answers, and until more of the output of each run is kept.
    """

    begun: float
    idle: float
    each: float
    answered: float
    driven: tuple[float, ...]

    @property
    def half(self) -> float:
        """When half of the runs were driven again."""
        return statistics.median(self.driven)

    @property
    def last(self) -> float:
        """When all of them were."""
        return max(self.driven)


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


def text(token: str) -> str:
    """Return a pipeline whose step prints a line every half second until there is a file ``go``; it counts them."""
    lines = "n=0; until [ -e /proof/go ]; do n=$((n + 1)); echo line $n; sleep 0.5; done"
    commands = [begins(token, "step"), lines, f"echo $n >/proof/{token}-lines"]
    return json.dumps({"version": "1", "steps": [{"name": "step", "image": BUSYBOX, "commands": commands}]})


def resident(pid: int) -> float:
    """Return the resident memory of a process, in MB."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def killed(lives: Lives, count: int) -> tuple[Fleet, Recovery]:
    """Start a daemon, kill it when it drives so many runs, and start the next; the runs go on afterwards."""
    lives.start()
    assert lives.process is not None
    pid = lives.process.pid
    idle = resident(pid)
    fleet = Fleet(lives, count)
    began = time.monotonic()
    fleet.until_more({}, began)
    begun, each = time.monotonic() - began, (resident(pid) - idle) / count
    lives.kill()
    kept = {run: fleet.kept(run) for run in fleet.runs}
    began = time.monotonic()
    answered = lives.start()
    driven = tuple(fleet.until_more(kept, began))
    return fleet, Recovery(begun=begun, idle=idle, each=each, answered=answered, driven=driven)
