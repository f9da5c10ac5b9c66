"""Registered pipelines on a git server, the daemon that runs them, and what their async stages have seen."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from runner.cli.client.daemon import Daemon
from runner.cli.client.endpoint import Endpoint
from runner.dispatch.requests import Definition, Facts, Submission
from runner.engine.report import ChildReport
from runner.plan.status import Status
from tests.support.cli import PATIENCE, Finished, Place, Running, place_in
from tests.support.git_server import WebServer, web_server
from tests.support.repositories import Repository

QUEUES = "default=8"
_LOOK_SECONDS = 0.02
_TRACE = "$ "
_ADDRESS = re.compile(r"127\.0\.0\.1:\d+")


def until(found: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:  # noqa: ANN401 - as it is found
    """Wait for something that is true, and return it."""
    end = time.monotonic() + seconds
    while not (there := found()):
        assert time.monotonic() < end, f"{what} never came"
        time.sleep(_LOOK_SECONDS)
    return there


@dataclass
class Yard:
    """Repositories on a git server, and a daemon. Steps see the directory ``proof`` as ``/proof``."""

    place: Place
    server: WebServer
    upstream: Path
    proof: Path
    process: Running | None = None
    _repositories: dict[str, Repository] = field(default_factory=dict)

    @property
    def variables(self) -> Mapping[str, str]:
        """What the daemon and its clients have in their environment."""
        return {
            "RUNNER_DATA_DIR": str(self.place.state / "daemon"),
            "RUNNER_DRAIN": "0",
            "RUNNER_GRACE": "1",
            "RUNNER_GIT_PROTOCOLS": "http",
            "RUNNER_QUEUES": QUEUES,
            "RUNNER_VOLUMES": f"{self.proof}:/proof:rw",
        }

    @property
    def client(self) -> Daemon:
        """The daemon, as its clients have it."""
        return Daemon(Endpoint(socket=self.place.state / "daemon" / "runner.sock"), patience=PATIENCE)

    @property
    def address(self) -> str:
        """Where the daemon listens for everybody: ``http://host:port``."""
        assert self.process is not None
        found = _ADDRESS.search(self.process.text)
        assert found is not None, self.process.text
        return f"http://{found[0]}"

    def start(self) -> None:
        """Start a daemon, which also listens on a port of loopback."""
        self.process = self.place.start("daemon", "--listen", "127.0.0.1:0", env=self.variables)
        self.process.until("listening on")

    def kill(self) -> None:
        """Kill the daemon where it stands."""
        assert self.process is not None
        self.process.end()

    def end(self) -> None:
        """Have the daemon end, with all that it does, and forget what it has kept on the engine."""
        if self.process is not None and self.process.process.poll() is None:
            self.process.signal(signal.SIGTERM)
            assert self.process.finish().code == 0, self.process.text
        self.place.run("clean", "--daemon", self.place.state / "daemon", env=self.variables)

    def run(self, *arguments: str | Path) -> Finished:
        """Run a command of ``runner`` that succeeds, as a client of the daemon."""
        done = self.place.run(*arguments, env=self.variables)
        assert done.code == 0, (arguments, done.out, done.err)
        return done

    def repository(self, name: str) -> Repository:
        """Return a repository of the server, which is made at first."""
        if name not in self._repositories:
            self._repositories[name] = Repository(self.upstream / name)
        return self._repositories[name]

    def url(self, name: str) -> str:
        """Return the address of a repository."""
        return f"{self.server.url}/{name}"

    def register(self, name: str, files: Mapping[str, str], kind: str = "") -> None:
        """Commit these files to a repository, and register it as the pipeline of the same name."""
        commit(self.repository(name), files)
        definition = Definition(repository=self.url(name), facts=Facts(branch="main"), kind=kind)
        self.client.register(name, definition)

    def submit(self, pipeline: str, **more: Any) -> str:  # noqa: ANN401 - the fields of `Submission`, which checks them
        """Submit a run of a pipeline; return its id."""
        submitted = self.client.submit(Submission(pipeline=pipeline, **more))
        assert submitted.id, submitted.notes
        return submitted.id

    def ended(self, run: str) -> str:
        """Wait for the end of a run; return its status."""
        until(lambda: Status(self.client.summary(run).status).ended, f"the end of run {run}")
        return self.client.summary(run).status

    def created(self, run: str) -> float:
        """Return when a run was stored, in seconds since the epoch."""
        return datetime.fromisoformat(self.client.summary(run).created).timestamp()

    def running(self, run: str, stage: str, step: str) -> None:
        """Wait until a step of a run has begun."""
        until(lambda: (stage, step) in set(self._running(run)), f"{stage}/{step} of {run}")

    def children(self, run: str) -> Sequence[ChildReport]:
        """Return the async stages of a run, as its document lists them."""
        return self.client.report(run)["children"]

    def has_children(self, run: str, count: int = 1) -> Sequence[ChildReport]:
        """Wait until a run has so many async stages; return them."""
        until(lambda: len(self.children(run)) >= count, f"async stage {count} of {run}")
        return self.children(run)

    def printed(self, run: str, stage: str, step: str) -> list[str]:
        """Return what a step has printed, less the traces of its commands."""
        # With prefixes: as it is, the end of a line of stderr that is held back can come after one of stdout.
        lead, text = f"{stage}/{step} | ", b"".join(self.client.log(run, stage)).decode()
        lines = [line.removeprefix(lead) for line in text.splitlines() if line.startswith(lead)]
        return [line for line in lines if not line.startswith(_TRACE)]

    def seen(self, run: str, stage: str, step: str) -> dict[str, str]:
        """Return what a step has told with lines of ``name = value``."""
        return told(self.printed(run, stage, step))

    def mark(self, name: str) -> None:
        """Make a file that steps wait for in ``/proof``."""
        (self.proof / name).touch()

    def marked(self, name: str) -> None:
        """Wait for a file that a step makes in ``/proof``."""
        until((self.proof / name).exists, f"the mark {name}")

    def _running(self, run: str) -> Iterator[tuple[str, str]]:
        for stage in self.client.report(run)["stages"]:
            yield from ((stage["name"], s["name"]) for s in stage["steps"] if s["status"] == Status.RUNNING)


def commit(repository: Repository, files: Mapping[str, str]) -> str:
    """Commit these files; return the hash of the commit."""
    for path, text in files.items():
        repository.write(path, text)
        repository.git("add", path)
    return repository.commit(message=", ".join(files))


def told(lines: Sequence[str]) -> dict[str, str]:
    """Return what lines of ``name = value`` say."""
    return dict(line.split(" = ", 1) for line in lines if " = " in line)


def side_by_side(columns: Mapping[str, Mapping[str, str]]) -> str:
    """Return a table of what several have seen: a row for each thing, a column for each of them."""
    things = list(dict.fromkeys(thing for column in columns.values() for thing in column))
    rows = [["", *columns], *([thing, *(column.get(thing, "") for column in columns.values())] for thing in things)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def a_second() -> float:
    """Return how long what takes a second on a calm machine may take now, which may have more to do than it can."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def say(text: str) -> None:
    """Tell what a test is for, to whoever looks with ``pytest -s``."""
    print(f"\n{text}")  # noqa: T201 - pytest keeps it back otherwise


@contextmanager
def yard_in(folder: Path) -> Iterator[Yard]:
    """Give a git server and a daemon of their own; at the end nothing of them is left on the engine."""
    upstream, proof = folder / "upstream", folder / "proof"
    for each in (upstream, proof):
        each.mkdir()
    with place_in(folder / "place") as place, web_server(upstream) as server:
        yard = Yard(place, server, upstream, proof)
        yard.start()
        try:
            yield yard
        finally:
            yard.end()
