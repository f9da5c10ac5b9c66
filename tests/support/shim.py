"""The shim on this machine, under each of the three shells, without a container.

Its first line is changed to the shell in question; busybox is static, and brings the tools of its own.
"""

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from runner.pipelinectl import bundle, layout
from runner.pipelinectl.layout import Kind

SHELLS = {"dash": "/usr/bin/dash", "bash": "/usr/bin/bash", "ash": "/usr/bin/busybox"}
NOBODY = 65534

Environment = Mapping[str, str]
NOTHING: Environment = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Done:
    """What came of a command."""

    status: int
    out: bytes
    err: bytes


@dataclass(frozen=True, kw_only=True)
class Shim:
    """The shim under one shell, with stores of its own. ``root`` holds it all and is open to everybody."""

    name: str
    home: Path
    root: Path
    values: Path = field(init=False)
    secrets: Path = field(init=False)
    requests: Path = field(init=False)
    returns: Path = field(init=False)
    config: Path = field(init=False)
    work: Path = field(init=False)

    def __post_init__(self) -> None:
        for folder in ("values", "secrets", "requests", "returns", "config", "work"):
            path = self.root / folder
            path.mkdir()
            path.chmod(0o777)
            object.__setattr__(self, folder, path)
        (self.config / "secure-properties").mkdir()
        self.bell.touch()
        self.bell.chmod(0o666)

    def call(
        self, command: str, *arguments: str | bytes, stdin: bytes = b"", environment: Environment = NOTHING
    ) -> Done:
        """Run one command of the shim."""
        return self._run([str(self.home / "bin" / command), *arguments], stdin, environment)

    def run(
        self,
        script: str,
        *arguments: str | bytes,
        stdin: bytes = b"",
        user: int | None = None,
        environment: Environment = NOTHING,
    ) -> Done:
        """Run a script under the shim's shell, with its commands on PATH."""
        return self._run([str(self.shell), "-c", script, "script", *arguments], stdin, environment, user)

    @property
    def shell(self) -> Path:
        """The shell, called ``sh`` as in an image."""
        return self.home / "shell" / "sh"

    @property
    def bell(self) -> Path:
        """The file that tells of requests."""
        return self.root / "bell"

    def declare(self, *stages: str) -> None:
        """Declare async stages, as the engine does."""
        for stage in stages:
            (self.values / layout.file_name(Kind.ASYNC, stage)).touch()

    def store(self) -> dict[str, bytes]:
        """Return the files of the values by their names."""
        return {path.name: path.read_bytes() for path in self.values.iterdir()}

    def left_returns(self) -> dict[str, bytes]:
        """Return the files of the returns by their names."""
        return {path.name: path.read_bytes() for path in self.returns.iterdir()}

    def kept_secrets(self) -> dict[str, bytes]:
        """Return the files of the secrets by their names."""
        return {path.name: path.read_bytes() for path in self.secrets.iterdir()}

    @property
    def variables(self) -> dict[str, str]:
        """What a step's environment holds of it."""
        return {
            "PATH": f"{self.home}/bin:/usr/bin:/bin",
            "ONE_PIPELINE_PATH": str(self.home),
            "RUNNER_VALUES": str(self.values),
            "RUNNER_SECRETS": str(self.secrets),
            "RUNNER_REQUESTS": str(self.requests),
            "RUNNER_BELL": str(self.bell),
            "RUNNER_RETURNS": str(self.returns),
            "CONFIG_DIR": str(self.config),
            "SECRET_CONFIG_DIR": str(self.config / "secure-properties"),
        }

    def _run(self, argv: list[str | bytes], stdin: bytes, environment: Environment, user: int | None = None) -> Done:
        done = subprocess.run(
            argv,
            input=stdin,
            env={**self.variables, **environment},
            cwd=self.work,
            capture_output=True,
            check=False,
            timeout=60,
            user=user,
            group=user,
        )
        return Done(status=done.returncode, out=done.stdout, err=done.stderr)


@contextmanager
def installed(name: str) -> Iterator[Path]:
    """Give the path where the shim is installed for a shell, until the end."""
    with public_folder() as home:
        with tarfile.open(fileobj=io.BytesIO(bundle.archive())) as tar:
            tar.extractall(home, filter="tar")
        (home / "shell").mkdir()
        (home / "shell" / "sh").symlink_to(SHELLS[name])
        for path in [home / "bin" / "pipelinectl", *(home / "tools").iterdir()]:
            path.write_bytes(path.read_bytes().replace(b"#!/bin/sh", f"#!{home}/shell/sh".encode(), 1))
        yield home


@contextmanager
def public_folder() -> Iterator[Path]:
    """Give a new directory that every user can read, until the end; pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="shim-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def small_disk(folder: Path, *, size: int = 65536) -> Iterator[None]:
    """Make a directory a file system of so many bytes, all but full, until the end. Only root can."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=777", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(folder: Path) -> None:
    """Leave no free byte where a directory lies."""
    with (folder / ".filler").open("wb", buffering=0) as filler:
        try:
            while filler.write(bytes(4096)):
                pass
        except OSError:
            os.sync()
