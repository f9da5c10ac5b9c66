"""What an engine says of itself, read once into a form that the checks can rely on."""

import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from runner.backends.docker.client import Engine, translated
from runner.clock import Clock
from runner.errors import InfrastructureError
from runner.records import record

_LIMITS = {"memory": "MemoryLimit", "swap": "SwapLimit", "cpu": "CpuCfsQuota", "processes": "PidsLimit"}
_UNKNOWN = "N/A"
_DESKTOP = "Docker Desktop"
_LOCAL = "unix://"


@record
class Facts:
    """An engine. ``machine`` is the name of its host, ``ahead`` the seconds by which its clock is ahead of ours.

    ``limits`` says of each kind of limit whether it holds, ``init`` is empty when there is none that runs, and
    ``security`` has the engine's options as it writes them (``name=seccomp,profile=default``).
    """

    address: str
    encrypted: bool
    product: str
    version: str
    api: tuple[int, ...]
    platform: str
    system: str
    machine: str
    ahead: float
    driver: str
    root: str
    init: str
    live_restore: bool
    cgroup: str
    limits: Mapping[str, bool]
    log_drivers: frozenset[str]
    security: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def podman(self) -> bool:
        """Whether it is Podman, which speaks Docker's API."""
        return self.product.startswith("Podman")

    @property
    def desktop(self) -> bool:
        """Whether it is in the virtual machine of Docker Desktop."""
        return self.system == _DESKTOP

    @property
    def near(self) -> bool:
        """Whether it works on the machine that we are on, so that its files can be looked at."""
        return self.address.startswith(_LOCAL) and not self.desktop and self.machine == platform.node()

    def secured(self, name: str) -> str:
        """Return a security option as the engine writes it; empty when it is off."""
        return next((option for option in self.security if f"{option},".startswith(f"name={name},")), "")


@contextmanager
def understood(subject: str) -> Iterator[None]:
    """Turn what an answer of another shape raises, while it is read, into an error of ours."""
    try:
        yield
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise InfrastructureError(
            f"what the engine says of {subject} makes no sense ({type(error).__name__}: {error})",
            hint="is it really Docker that answers there?",
        ) from error


def ask(engine: Engine, clock: Clock) -> Facts:
    """Ask an engine about itself.

    Raises:
        InfrastructureError: it does not answer, or not as Docker does.
    """
    with translated("asking the engine about itself"):
        before = clock.now()
        info: Any = engine.api.info()
        after = clock.now()
        version: Any = engine.api.version()
    with understood("itself"):
        return _read(engine, info, version, before + (after - before) / 2)


def _read(engine: Engine, info: Mapping[str, Any], version: Mapping[str, Any], now: datetime) -> Facts:
    parts = {str(part["Name"]): str(part["Version"]) for part in version.get("Components") or ()}
    return Facts(
        address=engine.address,
        encrypted=not engine.api.base_url.startswith("http://"),
        product=next((name for name in parts if name.startswith("Podman")), "Docker"),
        version=str(version.get("Version") or "?"),
        api=tuple(int(number) for number in engine.api.api_version.split(".")),
        platform=f"{info.get('OSType') or 'linux'}/{info.get('Architecture') or '?'}",
        system=str(info.get("OperatingSystem") or ""),
        machine=str(info.get("Name") or ""),
        ahead=_ahead(str(info.get("SystemTime") or ""), now),
        driver=str(info.get("Driver") or "?"),
        root=str(info.get("DockerRootDir") or ""),
        init=_init(info, parts),
        live_restore=bool(info.get("LiveRestoreEnabled")),
        cgroup=f"v{info.get('CgroupVersion') or '1'}",
        limits={name: bool(info.get(key)) for name, key in _LIMITS.items()},
        log_drivers=frozenset(_texts((info.get("Plugins") or {}).get("Log"))),
        security=_texts(info.get("SecurityOptions")),
        warnings=_texts(info.get("Warnings")),
    )


def _texts(found: Sequence[object] | None) -> tuple[str, ...]:
    return tuple(str(each) for each in found or ())


def _ahead(theirs: str, ours: datetime) -> float:
    if not theirs:
        return 0.0
    told = datetime.fromisoformat(theirs)
    return (told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp() - ours.timestamp()


def _init(info: Mapping[str, Any], parts: Mapping[str, str]) -> str:
    """Return the init program with its version; the engine names one as configured, whether it is there or not."""
    name = str(info.get("InitBinary") or "")
    version = parts.get(name.rpartition("/")[2], "")
    if not version and (info.get("InitCommit") or {}).get("ID") == _UNKNOWN:
        return ""
    return f"{name} {version}".strip()
