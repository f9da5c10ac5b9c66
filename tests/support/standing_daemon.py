"""A daemon in a place, which runs pipelines of files there, may be killed, and leaves nothing at the end."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runner.cli.client.daemon import Daemon
from runner.cli.client.endpoint import Endpoint
from runner.engine.report import Report
from runner.plan.status import Status
from tests.support.cli import PATIENCE, Finished, Place, Running
from tests.support.offspring import until


@dataclass
class Standing:
    """A daemon whose data is in a place."""

    place: Place
    process: Running | None = None

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.place.state / "daemon"

    @property
    def client(self) -> Daemon:
        """The daemon, as its clients have it."""
        return Daemon(Endpoint(socket=self.data / "runner.sock"), patience=PATIENCE)

    @property
    def variables(self) -> dict[str, str]:
        """What the daemon and its clients have in their environment."""
        return {"RUNNER_DATA_DIR": str(self.data), "RUNNER_DRAIN": "0", "RUNNER_GRACE": "1"}

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.process = self.place.start("daemon", env=self.variables)
        self.process.until("listening on")

    def kill(self) -> None:
        """Kill it where it stands, as ``kill -9`` does."""
        assert self.process is not None
        self.process.end()

    def run(self, *arguments: str | Path) -> Finished:
        """Run a command of ``runner`` as a client of it."""
        return self.place.run(*arguments, env=self.variables)

    def submit(self, *arguments: str | Path) -> str:
        """Ask for a run; return its id."""
        done = self.run("submit", *arguments)
        assert done.code == 0, done.err
        return done.out.strip()

    def reaches(self, run: str, status: Status) -> Report:
        """Wait until a run has a status; return how it stands then."""
        until(lambda: self.client.summary(run).status == status, f"{status} of run {run}")
        return self.client.report(run)

    def document(self, run: str) -> Finished:
        """Return what ``show --output json`` says."""
        return self.run("show", run, "--output", "json")

    def held(self, run: str) -> list[str]:
        """Return what a run has on the engine."""
        return [name for name in self.place.objects() if run in name]

    def end(self) -> None:
        """Have it end, and forget what it has kept on the engine."""
        if self.process is not None and self.process.process.poll() is None:
            self.process.signal(signal.SIGTERM)
            assert self.process.finish().code == 0, self.process.text
        self.place.run("clean", "--daemon", self.data)


@contextmanager
def daemon_in(place: Place) -> Iterator[Standing]:
    """Start a daemon in a place, and end it with all that it has kept."""
    daemon = Standing(place)
    daemon.start()
    try:
        yield daemon
    finally:
        daemon.end()


def statuses(report: Report) -> dict[str, str]:
    """Return the status of every stage of a run by its name."""
    return {stage["name"]: stage["status"] for stage in report["stages"]}
