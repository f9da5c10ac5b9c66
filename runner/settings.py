"""What an operator can set: read once from the environment (``RUNNER_…``), validated, printable."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from ipaddress import IPv4Network
from pathlib import Path

from runner.errors import UsageError
from runner.records import record

PROTOCOLS = ("https", "ssh", "http", "file")
"""With which repositories can be fetched; whoever may name one can read what ``file`` finds on this machine."""


DEFAULT_QUEUE = "default"

_SWITCH = {"true": True, "false": False, "1": True, "0": False}


@record
class DockerSettings:
    """How containers are made. Times in seconds.

    ``subnets`` is the range from which a network of a run's own takes ``1 << (32 - subnet_bits)`` addresses, and the
    common one more: the engine's own pools end at about 30 networks. ``log_driver`` is ``none`` where we are the only
    reader and ``json-file`` where an engine must keep the output for a driver that comes back.

    ``confined`` steps gain no privileges, have neither raw sockets nor device nodes, at most ``pids`` processes unless
    they say otherwise, and a log of at most ``log_bytes`` on the engine; privileged ones excepted. Calls wait
    ``engine_grace`` for an engine that has gone away.
    """

    sandbox_image: str = "runner-sandbox:1"
    subnets: IPv4Network = field(default_factory=lambda: IPv4Network("10.213.0.0/16"))
    subnet_bits: int = 24
    log_driver: str = "none"
    pull_total: float = 3600.0
    pull_stall: float = 120.0
    confined: bool = False
    pids: int = 1024
    log_bytes: int = 512 << 20
    engine_grace: float = 0.0

    def of_daemon(self) -> "DockerSettings":
        """Return these settings as they are for a daemon, which runs the pipelines of others and outlives engines."""
        driver = "json-file" if self.log_driver == "none" else self.log_driver
        return replace(self, confined=True, log_driver=driver, engine_grace=self.engine_grace or 60.0)


@record
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


@record
class DaemonSettings:
    """How a daemon works. Times in seconds, sizes in bytes.

    ``data`` holds all that it keeps; ``database`` is an address as SQLAlchemy has it, SQLite below ``data`` if empty;
    ``key`` a file with the key of its secrets, below ``data`` without one. ``queues`` says how many runs of each go on
    at a time, ``waiting`` how many may wait in all.

    Told to end, it waits for ``drain`` before it cancels what runs. The workspaces of runs that failed stay for
    ``keep_failed``, of the last ``keep_failed_runs`` at most and no more than ``keep_failed_bytes``; of all other runs
    the last ``keep_runs`` are remembered. With less than ``free_space`` on its disk no new run begins.

    ``hosts`` are names that clients may call it by over TCP, beside its address; of them ``followers`` may follow runs
    at a time. So many ``spare_sandboxes`` are ready for the next runs.
    """

    data: Path
    database: str = field(default="", repr=False)
    key: Path | None = None
    queues: Mapping[str, int] = field(default_factory=lambda: {DEFAULT_QUEUE: max(2, os.cpu_count() or 1)})
    waiting: int = 10_000
    drain: float = 60.0
    keep_failed: float = 24 * 3600.0
    keep_failed_runs: int = 20
    keep_failed_bytes: int = 20 << 30
    keep_runs: int = 1000
    free_space: int = 1 << 30
    hosts: tuple[str, ...] = ()
    followers: int = 1000
    spare_sandboxes: int = 1

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self.data / "runner.sock"

    @property
    def token(self) -> Path:
        """The file with what clients show that come over TCP."""
        return self.data / "token"

    @property
    def mirrors(self) -> Path:
        """Where repositories are kept between runs."""
        return self.data / "mirrors"

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> "DaemonSettings":
        """Read the settings; an empty variable is as good as none.

        Raises:
            UsageError: a variable has a value that means nothing; the message names it.
        """
        home = Path(environment.get("XDG_DATA_HOME") or Path(environment.get("HOME", "/")) / ".local" / "share")
        queues = _queues(_words(environment, "RUNNER_QUEUES"))
        return cls(
            data=_path(environment, "RUNNER_DATA_DIR") or home / "runner",
            database=environment.get("RUNNER_DATABASE", ""),
            key=_path(environment, "RUNNER_SECRET_KEY_FILE"),
            **({"queues": queues} if queues else {}),
            waiting=_count(environment, "RUNNER_WAITING", cls.waiting),
            drain=_seconds(environment, "RUNNER_DRAIN", cls.drain),
            keep_failed=_seconds(environment, "RUNNER_KEEP_FAILED", cls.keep_failed),
            keep_failed_runs=_count(environment, "RUNNER_KEEP_FAILED_RUNS", cls.keep_failed_runs),
            keep_failed_bytes=_count(environment, "RUNNER_KEEP_FAILED_BYTES", cls.keep_failed_bytes),
            keep_runs=_count(environment, "RUNNER_KEEP_RUNS", cls.keep_runs),
            free_space=_count(environment, "RUNNER_FREE_SPACE", cls.free_space),
            hosts=_words(environment, "RUNNER_HOSTS"),
            followers=_count(environment, "RUNNER_FOLLOWERS", cls.followers),
            spare_sandboxes=_count(environment, "RUNNER_SPARE_SANDBOXES", cls.spare_sandboxes),
        )


@record
class Settings:
    """All settings. ``state`` is where ``exec`` keeps journals, logs and locks.

    ``prestart`` is as in ``Job``. ``privileged_images`` and ``volumes`` are what steps may do to this machine, as
    ``plan.grants`` reads it.
    """

    state: Path
    docker: DockerSettings = DockerSettings()
    git: GitSettings = GitSettings()
    grace: float = 10.0
    prestart: bool = True
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
                engine_grace=_seconds(environment, "RUNNER_ENGINE_GRACE", defaults.engine_grace),
            ),
            git=GitSettings.read(environment),
            grace=_seconds(environment, "RUNNER_GRACE", cls.grace),
            prestart=_switch(environment, "RUNNER_PRESTART", default=cls.prestart),
            privileged_images=_words(environment, "RUNNER_PRIVILEGED_IMAGES"),
            volumes=_words(environment, "RUNNER_VOLUMES"),
        )


def _queues(words: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for word in words:
        name, _, most = word.partition("=")
        if not name or not most.isdecimal() or int(most) < 1 or name in found:
            wrong = f"names {name} twice" if name in found else f"{word} is not NAME=RUNS"
            raise UsageError(f"RUNNER_QUEUES: {wrong}", hint="for example default=4 deploy=1")
        found[name] = int(most)
    return found


def _count(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name)
    if text and not text.isdecimal():
        raise UsageError(f"{name}={text}: not a number", hint="for example 100")
    return int(text) if text else default


def _switch(environment: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = environment.get(name)
    if text and text not in _SWITCH:
        raise UsageError(f"{name}={text}: neither true nor false", hint="write true or false")
    return _SWITCH[text] if text else default


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
