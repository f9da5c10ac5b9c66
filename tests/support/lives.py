"""The daemons of one data directory, one after the other: each a process that may be killed, or dies by itself."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from docker import APIClient

from runner.cli.client.daemon import Daemon
from runner.cli.client.endpoint import Endpoint
from runner.dispatch.requests import Inline, Submission
from runner.engine.journal import Entry
from runner.errors import DaemonUnavailableError
from runner.naming import LABEL_INSTANCE, LABEL_RUN
from runner.plan.status import Status
from runner.store.sql.database import Database
from runner.store.sql.journal import SqlJournal
from tests.support.attempts import build_images
from tests.support.cli import RUNNER
from tests.support.crash import Point
from tests.support.mortal import ARMED, DEATH, written
from tests.support.scripts import ROOT

PATIENCE = 90.0
"""Seconds after which something that is waited for will not come."""

_FOREIGN = re.compile(r"RUNNER_(?!PRESTART$)|DOCKER_(?!HOST)")


class LateError(Exception):
    """What was waited for has not come."""


def until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Wait for something that ``what`` names."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise LateError(what)
        time.sleep(0.02)


@dataclass
class Lives:
    """A data directory in ``folder``, and the daemon that lives there now. ``settings`` are variables of all of them.

    Steps see the directory ``proof`` as ``/proof``.
    """

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def proof(self) -> Path:
        return self.folder / "proof"

    @property
    def notes(self) -> Path:
        return self.folder / "notes"

    @property
    def said(self) -> str:
        """What all daemons have said on stderr."""
        return (self.folder / "stderr").read_text()

    @property
    def client(self) -> Daemon:
        return Daemon(Endpoint(socket=self.data / "runner.sock"), patience=PATIENCE)

    @property
    def instance(self) -> str:
        """The name of the daemon, which all of them have."""
        return (self.data / "instance").read_text().strip()

    @property
    def effects(self) -> list[str]:
        """The effects of the daemon, or of the last one, since it began or was armed."""
        return [line for line in self.notes.read_text().splitlines() if line != ARMED]

    def start(self, *, mortal: bool = False, point: Point | None = None) -> float:
        """Start a daemon, as ``launch`` does; return the seconds until it answers, or is dead."""
        began = time.monotonic()
        self.launch(mortal=mortal, point=point)
        until(lambda: self.answers or self.dead, "a daemon that answers")
        if self.process is not None and self.process.returncode not in (None, DEATH):
            raise LateError(f"a daemon that answers: {self.said[-2000:]}")
        return time.monotonic() - began

    def launch(self, *, mortal: bool = False, point: Point | None = None) -> None:
        """Begin to start a daemon: one that counts its effects if it is ``mortal``, or dies at ``point``."""
        self.proof.mkdir(exist_ok=True)
        command: list[str | Path] = [RUNNER, "daemon"]
        if mortal or point:
            self.notes.write_text("")
            command = [sys.executable, "-m", "tests.support.mortal", self.notes, *written(point).split()]
        inherited = {name: value for name, value in os.environ.items() if not _FOREIGN.match(name)}
        ours = {"RUNNER_DATA_DIR": str(self.data), "RUNNER_VOLUMES": f"{self.proof}:/proof:rw", "RUNNER_GRACE": "2"}
        with (self.folder / "stderr").open("ab") as stderr:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=inherited | ours | self.settings, stdin=subprocess.DEVNULL, stderr=stderr
            )

    def arm(self, point: Point | None) -> None:
        """Have the daemon, a mortal one that does nothing now, count anew, and die at a point."""
        assert self.process is not None
        self.notes.write_text(written(point))
        self.process.send_signal(signal.SIGUSR1)
        until(lambda: self.notes.read_text().startswith(ARMED), "a daemon that is armed")

    @property
    def dead(self) -> bool:
        """Whether the daemon has died."""
        return self.process is None or self.process.poll() is not None

    def kill(self) -> None:
        """Kill the daemon where it stands."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def end(self) -> int:
        """Have the daemon end by itself; return its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def submit(self, text: str) -> str:
        """Ask for a run; return its id, or nothing if the daemon died before it answered."""
        try:
            return self.client.submit(Submission(inline=Inline(text=text))).id
        except DaemonUnavailableError:
            return ""

    def ended(self, run: str) -> bool:
        """Whether a run has ended; not if the daemon is dead."""
        try:
            return Status(self.client.summary(run).status).ended
        except DaemonUnavailableError:
            return False

    def journal(self, run: str) -> tuple[Entry, ...]:
        """Return the entries of a run."""
        database = Database.open(f"sqlite:///{self.data}/runner.db", lambda _: None)
        try:
            return SqlJournal(database, run).read()
        finally:
            database.close()

    def objects(self) -> list[str]:
        """Return what there is on the engine of these daemons, as ``run kind name``."""
        if not (self.data / "instance").exists():
            return []
        filters = {"label": f"{LABEL_INSTANCE}={self.instance}"}
        with closing(APIClient()) as api:
            found = [
                *(("container", raw["Names"][0], raw) for raw in api.containers(all=True, filters=filters)),
                *(("network", raw["Name"], raw) for raw in api.networks(filters=filters)),
                *(("volume", raw["Name"], raw) for raw in api.volumes(filters=filters)["Volumes"] or []),
            ]
        return sorted(f"{raw['Labels'].get(LABEL_RUN)} {kind} {name}" for kind, name, raw in found)

    @property
    def answers(self) -> bool:
        """Whether a daemon answers."""
        try:
            self.client.runs(limit=1)
        except DaemonUnavailableError:
            return False
        return True


@contextmanager
def lives_in(folder: Path, **settings: str) -> Iterator[Lives]:
    """Give a data directory in which no daemon has lived yet; at the end nothing of it is left on the engine."""
    build_images()
    lives = Lives(folder, settings)
    try:
        yield lives
    finally:
        lives.kill()
        subprocess.run([RUNNER, "clean", "--daemon", lives.data], check=False, capture_output=True)
