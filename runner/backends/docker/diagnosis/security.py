"""Who else could use the engine, and what stands between a step and the machine."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from runner.backends.docker.diagnosis.check import Check, note, ok
from runner.backends.docker.diagnosis.facts import Facts

_SOCKET = "unix://"
_PLAIN = ("tcp://", "http://")
_OPEN = "API is accessible on "
_ROOT = 0


def security(facts: Facts) -> Iterator[Check]:
    """Look at the ways to the engine, at our own rights, and at the walls around steps."""
    yield _access(facts)
    yield _walls(facts)
    yield _ourselves()


def _access(facts: Facts) -> Check:
    name = "access"
    if facts.address.startswith(_PLAIN) and not facts.encrypted:
        return note(
            name,
            f"{facts.address} is neither encrypted nor guarded: whoever reaches it is root on the engine's machine",
            "use TLS with client certificates (DOCKER_TLS_VERIFY), ssh or a unix socket",
        )
    opened = [line.partition(_OPEN)[2].partition(" ")[0] for line in facts.warnings if _OPEN in line]
    if opened:
        return note(
            name,
            f"the engine listens on {', '.join(opened)}: whoever reaches it is root on the engine's machine",
            "take that address out of dockerd's `hosts`, or guard it with TLS client certificates (`tlsverify`)",
        )
    if facts.address.startswith(_SOCKET):
        return _socket(facts.address.removeprefix(_SOCKET))
    return ok(name, facts.address)


def _socket(path: str) -> Check:
    try:
        mode = stat.S_IMODE(Path(path).stat().st_mode)
    except OSError as error:
        return note("access", f"{path}: {error.strerror}", "nothing can be said of who may use the engine")
    if mode & stat.S_IWOTH:
        found = f"{path} has mode {mode:04o}: every user of this machine is root through it"
        return note("access", found, f"chmod 660 {path}, and dockerd's `group` for those who may")
    return ok("access", f"{path} has mode {mode:04o}")


def _walls(facts: Facts) -> Check:
    seccomp = facts.secured("seccomp")
    mandatory = [name for name in ("apparmor", "selinux") if facts.secured(name)]
    if not seccomp or "unconfined" in seccomp:
        return note("walls", "no seccomp: steps may make every system call", "switch the engine's default profile on")
    profile = seccomp.partition("profile=")[2] or "default"
    if not mandatory:
        return note(
            "walls",
            f"seccomp ({profile}), but neither AppArmor nor SELinux",
            "a step that breaks out meets less: switch one on where the distribution has it",
        )
    return ok("walls", f"seccomp ({profile}), {', '.join(mandatory)}")


def _ourselves() -> Check:
    uid = os.geteuid()
    if uid == _ROOT:
        return note(
            "rights",
            "runner runs as root",
            "steps that escape own the machine, and so do mistakes: use a user of the engine's group",
        )
    return ok("rights", f"runner runs as user {uid}")
