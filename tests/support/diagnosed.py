"""Engines to be diagnosed: facts as ``diagnosis.facts.ask`` returns them, and answers of which they are read."""

import json
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from runner.backends.docker.diagnosis.check import Check
from runner.backends.docker.diagnosis.facts import Facts
from tests.support.stub_engine import Behaviour, Handler, StubEngine, answer, header

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

FACTS = Facts(
    address="unix:///var/run/docker.sock",
    encrypted=True,
    product="Docker",
    version="20.10.24",
    api=(1, 41),
    platform="linux/x86_64",
    system="Debian GNU/Linux 12 (bookworm)",
    machine="vm",
    ahead=0.0,
    driver="overlay2",
    root="/var/lib/docker",
    init="docker-init 0.19.0",
    live_restore=False,
    cgroup="v2",
    limits={"memory": True, "swap": True, "cpu": True, "processes": True},
    log_drivers=frozenset({"json-file", "local"}),
    security=("name=apparmor", "name=seccomp,profile=default"),
    warnings=(),
)
"""A fit engine."""

INFO: Mapping[str, Any] = {
    "Name": "elsewhere",
    "OSType": "linux",
    "Architecture": "x86_64",
    "OperatingSystem": "Debian GNU/Linux 12 (bookworm)",
    "SystemTime": "2026-01-02T03:04:05.936515476Z",
    "Driver": "overlay2",
    "DockerRootDir": "/var/lib/docker",
    "InitBinary": "docker-init",
    "InitCommit": {"ID": ""},
    "LiveRestoreEnabled": True,
    "CgroupVersion": "2",
    "MemoryLimit": True,
    "SwapLimit": False,
    "CpuCfsQuota": True,
    "PidsLimit": True,
    "Plugins": {"Log": ["json-file", "local"]},
    "SecurityOptions": ["name=seccomp,profile=default", "name=cgroupns"],
    "Warnings": None,
}
VERSION: Mapping[str, Any] = {
    "Version": "20.10.24",
    "ApiVersion": "1.41",
    "Components": [{"Name": "Engine", "Version": "20.10.24"}, {"Name": "docker-init", "Version": "0.19.0"}],
}


class StoppedClock:
    """A clock that stands at ``NOW``."""

    def now(self) -> datetime:
        """Return the time of day."""
        return NOW

    def monotonic(self) -> float:
        """Return seconds."""
        return 0.0


def shown(checks: object) -> dict[str, str]:
    """Return checks by name, as ``verdict found``."""
    assert isinstance(checks, tuple | list)
    assert all(isinstance(check, Check) for check in checks)
    return {check.name: f"{check.verdict} {check.found}" for check in checks}


def answer_well(stub: StubEngine) -> None:
    """Let an engine answer all that a diagnosis asks, as one does on which nothing is wrong."""
    fields = {"name": "to", "size": 4096, "mode": 0o755, "mtime": "2026-01-02T03:04:05Z", "linkTarget": ""}
    stat = b64encode(json.dumps(fields).encode()).decode()
    stub.script |= {
        "/version": [answer(VERSION)],
        "/info": [answer(INFO)],
        "/images/runner-sandbox:1/json": [answer({"Id": "sha256:0"})],
        "/containers/create": [answer({"Id": "c0"})],
        "/containers/c0/archive": [header("X-Docker-Container-Path-Stat", stat)],
        "/containers/c0": [answer({})],
        "/containers/json": [answer([])],
        "/volumes": [answer({"Volumes": []})],
        "/volumes/create": [_make_volume],
        "/system/df": [answer({"LayersSize": 0, "Images": [], "Volumes": None, "BuildCache": None})],
        "/networks": [answer([])],
    }


def _make_volume(handler: Handler) -> None:
    wanted = json.loads(handler.body)
    made = {"Name": wanted["Name"], "Mountpoint": f"/v/{wanted['Name']}", "Labels": wanted["Labels"]}
    behave: Behaviour = answer({**made, "Options": wanted.get("DriverOpts")})
    behave(handler)
