"""Engines of a test's own, for what must not be done to the machine's."""

import errno
import os
import shutil
import signal
import subprocess
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.support.attempts import wait_for
from tests.support.scripts import SCRIPTS

ENSURE_DOCKER = SCRIPTS / "ensure-docker"


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command with further variables; return how it ended and what it said."""
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=100, check=False
    )


def wait_until_gone(pid: int) -> None:
    """Return when a process has ended; whether anybody has reaped it does not matter."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state in "ZX":
            return
        time.sleep(0.05)
    raise TimeoutError(pid)


@dataclass(frozen=True, kw_only=True)
class PrivateEngine:
    """A dockerd beside the machine's own, in a network and mount namespace of its own.

    ``arguments`` are further ones for dockerd.
    """

    folder: Path
    arguments: str = ""

    @property
    def host(self) -> str:
        """Where it listens, as DOCKER_HOST has it."""
        return f"unix://{self.folder}/d.sock"

    @property
    def group(self) -> str:
        """The control group that its containers are in, by name."""
        return f"runner-test-{zlib.crc32(bytes(self.folder)):08x}"

    @property
    def pidfile(self) -> Path:
        return self.folder / "d.pid"

    @property
    def pid(self) -> int:
        """The process of dockerd, once it has been started."""
        return int(self.pidfile.read_text())

    @property
    def containerd_pidfile(self) -> Path:
        return self.folder / "exec" / "containerd" / "containerd.pid"

    @property
    def data(self) -> Path:
        """Images and all else that it keeps."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "d.log"

    @property
    def environment(self) -> dict[str, str]:
        """What makes a command, also the one that starts it, mean this engine."""
        return {
            "DOCKER_HOST": self.host,
            "DOCKERD_EXEC_ROOT": str(self.folder / "exec"),
            "DOCKERD_PIDFILE": str(self.pidfile),
            "DOCKERD_LOG": str(self.log),
            "DOCKERD_ARGS": (
                f"--data-root {self.data} --cgroup-parent /{self.group} --bridge none --iptables=false {self.arguments}"
            ),
        }

    def ensure(self, **changes: str) -> subprocess.CompletedProcess[str]:
        """Start it, unless it runs."""
        # With "--bridge none" dockerd deletes the docker0 that it finds: never start it in the machine's own network.
        return run("unshare", "--net", "--mount", ENSURE_DOCKER, **(self.environment | changes))

    def answers(self) -> bool:
        return run("docker", "info", "--format", "{{.ID}}", **self.environment).returncode == 0

    def within(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command in its network, where at first not even the loopback is up."""
        return run("nsenter", f"--net=/proc/{self.pid}/ns/net", *command)

    def end(self, number: signal.Signals) -> None:
        """Send a signal to dockerd, and wait until it and its containerd have ended."""
        pids = [int(path.read_text()) for path in (self.pidfile, self.containerd_pidfile)]
        os.kill(pids[0], number)
        for pid in pids:
            wait_until_gone(pid)


@contextmanager
def private_engine(folder: Path, arguments: str = "") -> Iterator[PrivateEngine]:
    """Give an engine that nobody has started yet; at the end it and all that it holds are gone."""
    engine = PrivateEngine(folder=folder, arguments=arguments)
    try:
        yield engine
    finally:
        if engine.answers():
            engine.end(signal.SIGTERM)
        _remove_group(engine.group)
        if engine.data.exists():
            shutil.rmtree(engine.data)


def _remove_group(name: str) -> None:
    """Remove a control group from every hierarchy: an engine leaves the one that it was given."""
    for pattern in (name, f"*/{name}"):
        for path in Path("/sys/fs/cgroup").glob(pattern):
            if path.exists():  # a hierarchy may have two names
                wait_for(partial(_removed, path))


def _removed(group: Path) -> bool:
    """Remove a control group and those below it, unless something of them is still on its way out.

    An engine that is killed between the creation and the start of a container leaves ``runc init`` behind, for good.
    """
    for folder in (*sorted(group.rglob("*/"), reverse=True), group):
        for pid in (folder / "cgroup.procs").read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        try:
            folder.rmdir()
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            return False
    return True
