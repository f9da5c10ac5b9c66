"""What an engine offers, and what will be missed on it: for ``runner doctor``."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from runner.backends.docker.client import Engine, translated
from runner.backends.docker.images import Images
from runner.errors import RunnerError
from runner.settings import DockerSettings


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at: whether it is well, what was found, and what to do if it is not."""

    name: str
    well: bool
    found: str
    advice: str = ""


def diagnose(engine: Engine, settings: DockerSettings) -> Iterator[Check]:
    """Look at an engine; stops at the first thing without which nothing else can be asked."""
    try:
        with translated("asking the engine about itself"):
            info: dict[str, Any] = engine.api.info()
            version: dict[str, Any] = engine.api.version()
    except RunnerError as error:
        yield Check(name="engine", well=False, found=error.message, advice=error.hint)
        return
    found = f"{version['Version']} (API {engine.api.api_version}) at {engine.address}"
    yield Check(name="engine", well=True, found=found)
    yield _sandbox(engine, settings)
    yield Check(
        name="storage",
        well=info["Driver"] in ("overlay2", "overlayfs"),
        found=f"{info['Driver']} in {info['DockerRootDir']}",
        advice="workspaces may have to be copied instead of layered",
    )
    yield Check(
        name="init",
        well=bool(info.get("InitBinary")),
        found=str(info.get("InitBinary") or "none"),
        advice="steps could not be ended politely: install docker-init (tini)",
    )
    yield Check(
        name="limits",
        well=bool(info.get("MemoryLimit") and info.get("PidsLimit")),
        found=f"cgroup {info.get('CgroupVersion', '1')}",
        advice="limits of memory or processes do not hold on this engine",
    )


def _sandbox(engine: Engine, settings: DockerSettings) -> Check:
    try:
        Images(engine, settings).describe(settings.sandbox_image)
    except RunnerError as error:
        advice = "`scripts/build-images` makes it; RUNNER_SANDBOX_IMAGE names another"
        return Check(name="sandbox image", well=False, found=error.message, advice=advice)
    return Check(name="sandbox image", well=True, found=settings.sandbox_image)
