"""Workspaces on a real engine: a run with a source, and steps in plain containers that mount what they are given."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from docker.types import Mount

from runner import naming
from runner.backends.docker.client import Engine
from runner.backends.docker.images import Images
from runner.backends.docker.workspaces import Opened, Workspaces
from runner.engine.specs import Placed, RunSpec, Source, SourceMode, StageSpec
from runner.naming import Address, Instance
from runner.settings import DockerSettings

SANDBOX, DEBIAN = "runner-sandbox:1", "debian:local"
HOME, WORKDIR = "/vela", "/vela/src"
INSTANCE = Instance(id="test-workspaces", kind="test", host="here", owner="0")
WAYS = (pytest.param(True, id="overlay"), pytest.param(False, id="copy", marks=pytest.mark.sampled))
"""The values of ``overlays`` for which a claim is shown. Copies take several times as long: they are sampled."""


def workspaces(engine: Engine, *, overlays: bool = True) -> Workspaces:
    settings = DockerSettings()
    return Workspaces(engine, settings, INSTANCE, Images(engine, settings), overlays=overlays)


@dataclass
class Bench:
    """One run. ``stage`` runs a script in the workspace of a stage over those of others."""

    engine: Engine
    workspaces: Workspaces
    run: RunSpec
    mounts: dict[str, tuple[Mount, ...]] = field(default_factory=dict)
    below: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def address(self, name: str) -> Address:
        return Address(self.run.id, name)

    def open(self, name: str, below: Sequence[str] = (), **more: Any) -> Opened:  # noqa: ANN401 - a spec's fields
        layers = tuple(self.address(other) for other in below)
        beside = tuple(
            (self.address(lower), self.address(upper))
            for lower, upper in combinations(below, 2)
            if lower not in self.below[upper]
        )
        spec = StageSpec(address=self.address(name), layers=layers, beside=beside)
        opened = self.workspaces.open_stage(replace(spec, **more))
        opened.finish()
        self.mounts[name], self.below[name] = opened.mounts, tuple(below)
        return opened

    def stage(self, name: str, script: str, below: Sequence[str] = (), **more: Any) -> str:  # noqa: ANN401 - as above
        self.open(name, below, **more)
        return self.step(name, script)

    def step(self, name: str, script: str, *, user: str = "0:0", image: str = SANDBOX) -> str:
        """Run a script in the working directory, and return what it wrote; it must succeed."""
        with self.container(name, script, user=user, image=image) as container:
            self.engine.api.start(container)
            code = self.engine.api.wait(container)["StatusCode"]
            output = self.engine.api.logs(container).decode(errors="surrogateescape")
        assert code == 0, f"exit code {code}: {output}"
        return output

    @contextmanager
    def container(self, name: str, script: str, *, user: str = "0:0", image: str = SANDBOX) -> Iterator[str]:
        api = self.engine.api
        host = api.create_host_config(mounts=list(self.mounts[name]), network_mode="none")
        made = api.create_container(
            image,
            ["sh", "-ec", script],
            host_config=host,
            working_dir=self.run.workdir,
            user=user,
            labels={naming.LABEL_RUN: self.run.id},
        )
        try:
            yield made["Id"]
        finally:
            api.remove_container(made["Id"], force=True)

    def export(self, names: Sequence[str], target: Path) -> tuple[str, ...]:
        return self.workspaces.export(self.run, tuple(map(self.address, names)), target, lambda: True)


@contextmanager
def bench(
    source: Path | None,
    mode: SourceMode = SourceMode.LAYER,
    *,
    overlays: bool = True,
    home: str = HOME,
    beside: tuple[Placed, ...] = (),
) -> Iterator[Bench]:
    """Open a run, close it in the end, and claim that nothing of it is left."""
    engine = Engine()
    made = workspaces(engine, overlays=overlays)
    run = RunSpec(
        id=naming.new_run_id(),
        home=home,
        workdir=WORKDIR,
        source=None if source is None else Source(path=source, mode=mode),
        beside=beside,
    )
    try:
        made.open_run(run)
        yield Bench(engine, made, run)
    finally:
        made.close_run(run, keep=False)
        made.close()
    assert left_behind(engine, run.id) == []


def left_behind(engine: Engine, run: str) -> list[str]:
    """Return the names of volumes and containers that carry a run's label."""
    filters = {"label": f"{naming.LABEL_RUN}={run}"}
    volumes = [volume["Name"] for volume in engine.api.volumes(filters=filters)["Volumes"] or ()]
    return volumes + [found["Id"] for found in engine.api.containers(all=True, filters=filters)]


@dataclass(frozen=True)
class Photo:
    """All that a run must not change of a file."""

    mode: int
    owner: tuple[int, int]
    size: int
    modified: int
    links: int
    content: str


def photos(root: Path) -> dict[str, Photo]:
    """Return what a tree of the host looks like, itself included, to the nanosecond."""
    found = {}
    for path in (root, *root.rglob("*")):
        status = path.lstat()
        if path.is_symlink():
            content = os.fspath(path.readlink())
        else:
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[os.fspath(path)] = Photo(
            mode=status.st_mode,
            owner=(status.st_uid, status.st_gid),
            size=status.st_size,
            modified=status.st_mtime_ns,
            links=status.st_nlink,
            content=content,
        )
    return found
