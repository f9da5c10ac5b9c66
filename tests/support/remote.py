"""Commands of this process that speak to a stand, and runs for it to tell."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from runner.cli import app
from runner.dispatch.feed import Item, Lines
from runner.engine.events import Changed, Printing
from runner.engine.report import Report, StepReport
from runner.logs.index import Stream
from runner.pipelinectl.values import Store, values_of
from runner.plan.model import Plan
from runner.plan.status import Status
from tests.support.api_stand import Stand, standing
from tests.support.faces import RUN, address, block, changed
from tests.support.plans import stage, step

RUNNER = Path(sys.executable).parent / "runner"
PLAN = Plan(dialect="vela", stages=(stage("build", step("one"), step("two")),))


def report(status: str = "success", *steps: StepReport, reason: str = "") -> Report:
    """Return the document of a run that has ended."""
    return {
        "run": {"id": RUN, "status": status, "dialect": "vela", "seconds": 2.5, "reason": reason},
        "stages": [{"name": "build", "status": status, "reason": reason, "steps": list(steps)}],
        "children": [],
        "values": values_of(Store()),
    }


def step_report(name: str, status: str = "success", **more: Any) -> StepReport:  # noqa: ANN401 - of its document
    """Return a step of that document."""
    usual = {"exit_code": 0, "attempt": 1, "reason": "", "started": 0.5, "seconds": 1.25}
    return cast("StepReport", {"name": name, "status": status, **usual, **more})


def begins(path: str, at: float = 0.5) -> tuple[Item, Item]:
    """Return the events of a step that begins; its log has the name of its path."""
    return changed(address(path), Status.RUNNING, at=at), Printing(address(path), _log(path))


def prints(path: str, data: bytes, stream: Stream = Stream.STDOUT) -> Lines:
    """Return what a step prints."""
    return Lines(address(path), block(data, stream, _log(path)))


def ends(path: str, status: Status = Status.SUCCESS, *, at: float = 2.0, **more: Any) -> Changed:  # noqa: ANN401
    """Return the end of a step, a stage or the run."""
    return changed(address(path), status, at=at, **more)


def _log(path: str) -> str:
    return path.replace("/", "-")


STARTED: tuple[Item, ...] = (
    changed(address(), Status.RUNNING, at=0.0),
    changed(address("build"), Status.RUNNING, at=0.1),
)
STORY: tuple[Item, ...] = (
    *STARTED,
    *begins("build/one"),
    prints("build/one", b"hello\nworld\n"),
    ends("build/one", at=1.0),
    *begins("build/two", at=1.1),
    prints("build/two", b"oops\n", Stream.STDERR),
    ends("build/two", at=1.5),
    ends("build", at=2.0),
    ends("", at=2.5),
)
"""A run that succeeds, as it is told."""


@dataclass
class Remote:
    """A data directory with a stand in the place of its daemon."""

    data: Path
    stand: Stand
    monkeypatch: pytest.MonkeyPatch
    capfd: pytest.CaptureFixture[str]
    out: str = ""
    err: str = ""

    def call(self, *arguments: str | Path) -> int:
        """Run a command of ``runner``; return its exit code, keep what it has put out."""
        self.monkeypatch.setattr(sys, "argv", ["runner", *map(str, arguments)])
        code = app.run()
        self.out, self.err = self.capfd.readouterr()
        return code

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:  # noqa: ANN401 - those of Popen
        """Start a command as a process of its own."""
        return subprocess.Popen([RUNNER, *arguments], env={**os.environ, "TERM": "xterm"}, **options)

    @property
    def document(self) -> Any:  # noqa: ANN401 - whatever was printed
        """The one document that the last command has put out."""
        return json.loads(self.out)


def remote_at(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Remote]:
    """Have commands of this process speak to a stand: the body of a fixture."""
    monkeypatch.setenv("RUNNER_DATA_DIR", str(folder))
    for name in ("RUNNER_URL", "RUNNER_TOKEN", "RUNNER_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    with standing(folder / "runner.sock") as stand:
        yield Remote(folder, stand, monkeypatch, capfd)
