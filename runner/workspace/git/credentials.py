"""Logins for repositories, and how git gets them: by its environment, for the host they belong to and no other."""

from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Final

from runner.errors import UsageError
from runner.records import record
from runner.settings import GitSettings
from runner.workspace.git.locations import Location, locate

_WEB = ("https", "http")

# What the shell runs for git; the values are in the environment, and printf is a builtin, so that no argument of any
# process holds them.
_HELPER: Final = (
    '!f() { test "$1" != get || printf "username=%s\\npassword=%s\\n" "$RUNNER_GIT_USER" "$RUNNER_GIT_PASSWORD"; }; f'
)
_SSH: Final = (
    "ssh -oBatchMode=yes -oControlMaster=no -oControlPath=none -oServerAliveInterval=15 -oConnectTimeout=30"
    ' ${RUNNER_GIT_KEY:+-oIdentitiesOnly=yes -oIdentityAgent=none -i "$RUNNER_GIT_KEY"}'
    ' ${RUNNER_GIT_KNOWN_HOSTS:+-oStrictHostKeyChecking=yes "-oUserKnownHostsFile=\\"$RUNNER_GIT_KNOWN_HOSTS\\""}'
)


@record
class Login:
    """A user and a password or token."""

    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


@record
class Credentials:
    """What opens repositories: ``logins`` by origin (``https://host:port``), and a private key's file for ssh.

    Without ``key`` and ``known_hosts``, ssh uses what its user has: keys, agent, hosts, configuration.
    """

    logins: Mapping[str, Login] = field(default_factory=dict)
    key: Path | None = None
    known_hosts: Path | None = None

    @classmethod
    def read(cls, settings: GitSettings) -> "Credentials":
        """Read what the settings name.

        Raises:
            UsageError: a file is not there, or a line of the credentials is none.
        """
        for path in (settings.key, settings.known_hosts):
            if path is not None and not path.is_file():
                raise UsageError(f"{path}: there is no such file", hint="RUNNER_GIT_KEY or RUNNER_GIT_KNOWN_HOSTS")
        logins = _logins(settings.credentials) if settings.credentials else {}
        return cls(logins=logins, key=settings.key, known_hosts=settings.known_hosts)

    def including(self, location: Location) -> "Credentials":
        """Return these and what an address itself says of a login; it holds for all of that host."""
        if not location.user or (not location.password and location.origin in self.logins):
            return self
        login = Login(user=location.user, password=location.password)
        return replace(self, logins={**self.logins, location.origin: login})

    def access(self, location: Location) -> "Access":
        """Return what git must have to reach a repository."""
        environment = {"GIT_SSH_COMMAND": _SSH, "GIT_SSH_VARIANT": "ssh"}
        if self.key:
            environment["RUNNER_GIT_KEY"] = _untokened(self.key)
        if self.known_hosts:
            environment["RUNNER_GIT_KNOWN_HOSTS"] = _untokened(self.known_hosts)
        login = self.logins.get(location.origin)
        if not location.origin or login is None:
            return Access(environment=environment)
        environment.update(RUNNER_GIT_USER=login.user, RUNNER_GIT_PASSWORD=login.password)
        # A token may stand in the place of the user, without a password.
        secrets = (login.password or login.user,)
        config = {f"credential.{location.origin}.helper": _HELPER}
        return Access(environment=environment, config=config, secrets=secrets)


@record
class Access:
    """What git needs to reach one repository: variables, configuration; ``secrets`` are what no message may show."""

    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    config: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = field(default=(), repr=False)


def _logins(path: Path) -> dict[str, Login]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UsageError(f"{path}: cannot be read: {reason}", hint="RUNNER_GIT_CREDENTIALS names it") from error
    found: dict[str, Login] = {}
    for number, line in enumerate(lines, start=1):
        if line.strip() and not line.startswith("#"):
            location = _of_line(path, number, line.strip())
            found.setdefault(location.origin, Login(user=location.user, password=location.password))
    return found


def _of_line(path: Path, number: int, line: str) -> Location:
    """Return the address that a line is, whether it goes on behind the host or not. No message shows any of it."""
    hint = "write https://user:token@host, with % and two digits for what an address cannot hold"
    try:
        location = locate(line.rstrip("/") + "/-", _WEB)
    except UsageError as error:
        raise UsageError(f"{path}:{number}: this is not a login", hint=hint) from error
    if not location.user:
        raise UsageError(f"{path}:{number}: this is not a login", hint=hint)
    return location


def _untokened(path: Path) -> str:
    """Return a path so that ssh takes no part of it for one of its tokens, such as ``%h``."""
    return str(path).replace("%", "%%")
