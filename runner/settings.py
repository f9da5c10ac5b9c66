"""What an operator can set: read once from the environment (``RUNNER_…``), validated, printable."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path

from runner.errors import UsageError

PROTOCOLS = ("https", "ssh", "http", "file")
"""With which repositories can be fetched; whoever may name one can read what ``file`` finds on this machine."""


@dataclass(frozen=True, kw_only=True)
class DockerSettings:
    """How containers are made. Times in seconds.

    ``subnets`` is the range from which every run's network takes ``1 << (32 - subnet_bits)`` addresses: the engine's
    own pools end at about 30 networks. ``log_driver`` is ``none`` where we are the only reader and ``json-file`` where
    an engine must keep the output for a driver that comes back.
    """

    sandbox_image: str = "runner-sandbox:1"
    subnets: IPv4Network = field(default_factory=lambda: IPv4Network("10.213.0.0/16"))
    subnet_bits: int = 24
    log_driver: str = "none"
    pull_total: float = 3600.0
    pull_stall: float = 120.0


@dataclass(frozen=True, kw_only=True)
class GitSettings:
    """How repositories are fetched. Times in seconds.

    ``protocols`` are those of addresses that are taken, of ``PROTOCOLS``. ``total`` is how long one source may take,
    ``stall`` how long git may be silent meanwhile; what fails for the network's sake is done up to ``tries`` times,
    after a ``pause`` that doubles. ``credentials`` is a file of lines ``https://user:token@host``, as git's own
    ``credential-store`` keeps it; ``key`` and ``known_hosts`` are for ssh, and without them it is as its user has it.
    """

    protocols: tuple[str, ...] = ("https", "ssh")
    total: float = 1800.0
    stall: float = 60.0
    tries: int = 3
    pause: float = 1.0
    credentials: Path | None = None
    key: Path | None = None
    known_hosts: Path | None = None

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "GitSettings":
        """Read the settings; an empty variable is as good as none.

        Raises:
            UsageError: a variable has a value that means nothing; the message names it.
        """
        protocols = _words(environment, "RUNNER_GIT_PROTOCOLS") or cls.protocols
        if unknown := [name for name in protocols if name not in PROTOCOLS]:
            raise UsageError(
                f"RUNNER_GIT_PROTOCOLS: {unknown[0]} is not a protocol", hint=f"there are {', '.join(PROTOCOLS)}"
            )
        return cls(
            protocols=protocols,
            total=_seconds(environment, "RUNNER_GIT_TIMEOUT", cls.total),
            stall=_seconds(environment, "RUNNER_GIT_STALL", cls.stall),
            credentials=_path(environment, "RUNNER_GIT_CREDENTIALS"),
            key=_path(environment, "RUNNER_GIT_KEY"),
            known_hosts=_path(environment, "RUNNER_GIT_KNOWN_HOSTS"),
        )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings. ``state`` is where ``exec`` keeps journals, logs and locks.

    ``privileged_images`` and ``volumes`` are what steps may do to this machine, as ``plan.grants`` reads it.
    """

    state: Path
    docker: DockerSettings = DockerSettings()
    git: GitSettings = GitSettings()
    grace: float = 10.0
    privileged_images: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()

    @property
    def mirrors(self) -> Path:
        """Where repositories from elsewhere are kept between runs."""
        return self.state / "mirrors"

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings; an empty variable is as good as none.

        Raises:
            UsageError: a variable has a value that means nothing; the message names it.
        """
        home = Path(environment.get("XDG_STATE_HOME") or Path(environment.get("HOME", "/")) / ".local" / "state")
        defaults = DockerSettings()
        return cls(
            state=Path(environment.get("RUNNER_STATE_DIR") or home / "runner"),
            docker=DockerSettings(
                sandbox_image=environment.get("RUNNER_SANDBOX_IMAGE") or defaults.sandbox_image,
                subnets=_network(environment, "RUNNER_SUBNETS", defaults.subnets),
                log_driver=environment.get("RUNNER_LOG_DRIVER") or defaults.log_driver,
                pull_total=_seconds(environment, "RUNNER_PULL_TIMEOUT", defaults.pull_total),
                pull_stall=_seconds(environment, "RUNNER_PULL_STALL", defaults.pull_stall),
            ),
            git=GitSettings.read(environment),
            grace=_seconds(environment, "RUNNER_GRACE", cls.grace),
            privileged_images=_words(environment, "RUNNER_PRIVILEGED_IMAGES"),
            volumes=_words(environment, "RUNNER_VOLUMES"),
        )


def _words(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(environment.get(name, "").replace(",", " ").split())


def _path(environment: Mapping[str, str], name: str) -> Path | None:
    text = environment.get(name)
    return Path(text).absolute() if text else None


def _seconds(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise UsageError(f"{name}={text}: not a number of seconds", hint="for example 10 or 0.5")
    return value


def _network(environment: Mapping[str, str], name: str, default: IPv4Network) -> IPv4Network:
    text = environment.get(name)
    if not text:
        return default
    try:
        return IPv4Network(text)
    except ValueError as error:
        raise UsageError(f"{name}={text}: {error}", hint="for example 10.213.0.0/16") from error
