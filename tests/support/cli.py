"""The real ``runner`` command as a process: started in a repository of its own, watched, signalled, and judged."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import textwrap
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, Any, cast

from docker import APIClient

from runner.engine.report import Report, StageReport, StepReport
from runner.naming import LABEL_LOCK, LABEL_ROLE
from tests.support.attempts import BUSYBOX, build_images

RUNNER = Path(sys.executable).parent / "runner"
PATIENCE = 60.0
"""Seconds after which a test that waits has failed."""

_TRACE = "$ "
_FOREIGN = re.compile(r"RUNNER_(?!PRESTART$)|GIT_|DOCKER_(?!HOST)")


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What a command came to. ``code`` is what a shell sees; ``seconds`` is its wall time."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def document(self) -> Report:
        """The only document of ``--output json``."""
        return cast("Report", json.loads(self.out))

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines of ``--output events``."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def steps(self) -> dict[str, StepReport]:
        """The steps of the document by ``stage/step``."""
        return {f"{stage['name']}/{step['name']}": step for stage in self.document["stages"] for step in stage["steps"]}

    @property
    def stages(self) -> dict[str, StageReport]:
        """The stages of the document by name."""
        return {stage["name"]: stage for stage in self.document["stages"]}

    @property
    def statuses(self) -> dict[str, str]:
        """The status of every step by ``stage/step``."""
        return {path: step["status"] for path, step in self.steps.items()}

    def printed(self, path: str) -> list[str]:
        """Return what the step ``stage/step`` printed by the plain lines, less the traces of its commands."""
        return [line for line in self.lines(path) if not line.startswith(_TRACE)]

    def lines(self, path: str) -> list[str]:
        """Return all plain lines of the step ``stage/step``."""
        prefix = f"{path} | "
        return [line.removeprefix(prefix) for line in (self.out + self.err).splitlines() if line.startswith(prefix)]


class Running:
    """A command that goes on."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: IO[bytes] | None = None) -> None:
        self.process = process
        self.terminal = terminal
        self._began = time.monotonic()
        self._ended: float | None = None
        self._texts = {"out": "", "err": ""}
        self._news = threading.Condition()
        self._deaf = threading.Event()
        streams = {"out": terminal or process.stdout, "err": process.stderr}
        self._readers = [
            threading.Thread(target=self._read, args=(name, stream), daemon=True)
            for name, stream in streams.items()
            if stream is not None
        ]
        for reader in self._readers:
            reader.start()

    @property
    def text(self) -> str:
        """What it has put out so far."""
        return self._texts["out"] + self._texts["err"]

    def until(self, text: str, seconds: float = PATIENCE) -> None:
        """Wait until it has put out a text."""
        with self._news:
            self._news.wait_for(lambda: text in self.text or not self._reading(), seconds)
            assert text in self.text, f"{text!r} never came; there was:\n{self.text}"

    def signal(self, number: int) -> None:
        """Send a signal to the command and whatever it has started, as a terminal does."""
        os.killpg(self.process.pid, number)

    def type(self, keys: bytes) -> None:
        """Press keys at its terminal."""
        assert self.terminal is not None
        self.terminal.write(keys)

    def resize(self, rows: int, columns: int) -> None:
        """Change the size of its terminal."""
        assert self.terminal is not None
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    @property
    def modes(self) -> list[Any]:
        """The modes of its terminal, as ``termios`` gives them."""
        assert self.terminal is not None
        return termios.tcgetattr(self.terminal)

    def hang_up(self) -> None:
        """Close its terminal."""
        self._deaf.set()  # a terminal that is being read stays open
        for reader in self._readers:
            reader.join()

    def finish(self, seconds: float = PATIENCE) -> Finished:
        """Wait for its end, and return what it came to; ``seconds`` of the result count from its start."""
        code = self.process.wait(seconds)
        ended = time.monotonic()
        for reader in self._readers:
            reader.join(seconds)
        shown = 128 - code if code < 0 else code
        return Finished(code=shown, out=self._texts["out"], err=self._texts["err"], seconds=ended - self._began)

    def end(self) -> None:
        """Kill it, if it still runs."""
        if self.process.poll() is None:
            self.signal(signal.SIGKILL)
            self.process.wait(PATIENCE)

    def _reading(self) -> bool:
        return any(reader.is_alive() for reader in self._readers)

    def _read(self, name: str, stream: IO[bytes]) -> None:
        with stream:
            while data := self._piece(stream.fileno()):
                with self._news:
                    self._texts[name] += data.decode("utf-8", "replace")
                    self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def _piece(self, stream: int) -> bytes:
        while not select.select([stream], [], [], 0.05)[0]:
            if self._deaf.is_set():
                return b""
        try:
            return os.read(stream, 1 << 16)
        except OSError:
            return b""  # what a terminal says when nobody holds its other end any more


@dataclass
class Place:
    """A repository to run in, and a state directory that no other test knows."""

    repo: Path
    state: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    started: list[Running] = field(default_factory=list)

    def write(self, pipeline: str, name: str = ".vela.yml") -> Path:
        """Write a pipeline file into the repository."""
        path = self.repo / name
        path.write_text(textwrap.dedent(pipeline), encoding="utf-8")
        return path

    def exec(self, *arguments: str | Path, **options: Any) -> Finished:  # noqa: ANN401 - the options of ``start``
        """Run ``runner exec`` to its end."""
        return self.start("exec", *arguments, **options).finish()

    def run(self, *arguments: str | Path, **options: Any) -> Finished:  # noqa: ANN401 - the options of ``start``
        """Run any command of ``runner`` to its end."""
        return self.start(*arguments, **options).finish()

    def start(
        self,
        *arguments: str | Path,
        env: Mapping[str, str] | None = None,
        stdout: IO[bytes] | int = subprocess.PIPE,
        stderr: IO[bytes] | int = subprocess.PIPE,
    ) -> Running:
        """Start a command of ``runner`` in a process group of its own."""
        process = subprocess.Popen(
            [RUNNER, *arguments],
            cwd=self.repo,
            env=self.variables(env),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            bufsize=0,
        )
        return self._started(Running(process))

    def at_terminal(self, *arguments: str | Path, env: Mapping[str, str] | None = None) -> Running:
        """Start a command of ``runner`` at a terminal of its own."""
        ours, its = pty.openpty()
        process = subprocess.Popen(
            [RUNNER, *arguments],
            cwd=self.repo,
            env=self.variables(env),
            preexec_fn=lambda: os.login_tty(its),  # noqa: PLW1509 - nothing else makes a controlling terminal
        )
        os.close(its)
        return self._started(Running(process, terminal=os.fdopen(ours, "r+b", buffering=0)))

    def variables(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment of commands: nothing of ours but what the place and the test say.

        And ``RUNNER_PRESTART``, with which all that is tested by commands can be tested in both ways.
        """
        inherited = {name: value for name, value in os.environ.items() if not _FOREIGN.match(name)}
        return {**inherited, "RUNNER_STATE_DIR": str(self.state), **self.environment, **(more or {})}

    @property
    def runs(self) -> list[Path]:
        """The folders of the runs so far, oldest first."""
        folder = self.state / "runs"
        return sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns) if folder.exists() else []

    def objects(self, kind: str = "") -> list[str]:
        """Return what the runs of this place have on the engine, as ``kind name``: by label, and by name."""
        runs = [path.name for path in self.runs]
        with closing(self._engine()) as api:
            found = [
                *(("container", raw["Names"][0], raw) for raw in api.containers(all=True)),
                *(("network", raw["Name"], raw) for raw in api.networks()),
                *(("volume", raw["Name"], raw) for raw in api.volumes()["Volumes"] or []),
            ]
        return sorted(
            f"{what} {name}"
            for what, name, raw in found
            if what.startswith(kind) and (self._is_ours(raw) or any(run in name for run in runs))
        )

    def containers(self, role: str) -> list[str]:
        """Return the ids of the running containers of a role: "step", "service", "sandbox"."""
        with closing(self._engine()) as api:
            found = api.containers(filters={"label": f"{LABEL_ROLE}={role}"})
        return [raw["Id"] for raw in found if self._is_ours(raw)]

    def _engine(self) -> APIClient:
        return APIClient(base_url=self.environment.get("DOCKER_HOST"))

    def _started(self, running: Running) -> Running:
        self.started.append(running)
        return running

    def _is_ours(self, raw: Mapping[str, Any]) -> bool:
        return str((raw.get("Labels") or {}).get(LABEL_LOCK, "")).startswith(f"{self.state}/")


@contextmanager
def place_in(folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[Place]:
    """Make a place below a folder; fail if it leaves anything on the engine, and remove that.

    With a DOCKER_HOST in the environment of its commands, that is the engine.
    """
    _images()
    place = Place(folder / "repo", folder / "state", environment or {})
    place.repo.mkdir(parents=True)
    try:
        yield place
    finally:
        for running in place.started:
            running.end()
        left = place.objects()
        if left:
            place.run("clean")
    assert left == []


@cache
def _images() -> None:
    build_images()


def derive(api: APIClient, name: str, *changes: str) -> str:
    """Tag an image that is busybox with some changes, in the words of a Dockerfile; return its id."""
    source = api.create_container(BUSYBOX, ["true"])["Id"]
    try:
        repository, _, tag = name.rpartition(":")
        return str(api.commit(source, repository, tag, changes="\n".join(changes))["Id"])
    finally:
        api.remove_container(source)
