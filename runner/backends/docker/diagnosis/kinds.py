"""Which engine it is, and what that means for runs."""

from collections.abc import Iterator

from runner.backends.docker.diagnosis.check import Check, bad, note, ok
from runner.backends.docker.diagnosis.facts import Facts

_NEEDED = (1, 30)
"""Mounts as objects came to containers with it (Docker 17.06); the SDK refuses them below."""
_TESTED = (1, 41)
_SKEW_SECONDS = 2.0


def kinds(facts: Facts) -> Iterator[Check]:
    """Say which engine it is, what is special about it, and what becomes of steps when it is restarted."""
    yield _engine(facts)
    if facts.podman:
        yield note("podman", "Podman answers in Docker's stead", "nothing of this has been tested with it")
    if facts.desktop:
        yield note(
            "desktop",
            "the engine is in the virtual machine of Docker Desktop",
            "untested; directories that it does not share with the machine are sent to it at each run",
        )
    yield from _users(facts)
    yield _clock(facts)
    yield _restarts(facts)


def _engine(facts: Facts) -> Check:
    api = ".".join(map(str, facts.api))
    found = f"{facts.product} {facts.version} (API {api}, {facts.platform}) at {facts.address}"
    if not facts.platform.startswith("linux/"):
        return bad("engine", found, "it runs no Linux containers: switch it to Linux, or name another by DOCKER_HOST")
    if facts.api < _NEEDED:
        return bad("engine", found, "it is too old: API 1.30 (Docker 17.06) is needed, Docker 20.10 or newer tested")
    if facts.api < _TESTED:
        return note("engine", found, "it is older than what has been tested: Docker 20.10 (API 1.41) or newer")
    return ok("engine", found)


def _users(facts: Facts) -> Iterator[Check]:
    if facts.secured("rootless"):
        yield note(
            "users",
            "rootless: root in a step is the user of the engine, and nobody more",
            "untested; a step cannot become another user's, and limits hold only with cgroup v2 and delegation",
        )
    elif facts.secured("userns"):
        yield note(
            "users",
            "userns-remap: root in a step is an unprivileged user of the engine's machine",
            "untested; steps can read and change of the source only what it lets everybody read or change",
        )
    else:
        yield ok("users", "root in a step is root on the engine's machine, should it break out of its container")


def _clock(facts: Facts) -> Check:
    if abs(facts.ahead) <= _SKEW_SECONDS:
        return ok("clock", "the engine's agrees with ours")
    way = "ahead of" if facts.ahead > 0 else "behind"
    return note(
        "clock",
        f"the engine's is {abs(facts.ahead):.0f} s {way} ours",
        "files that steps write have times that mislead make and the like: set both clocks by NTP",
    )


def _restarts(facts: Facts) -> Check:
    if facts.live_restore:
        return ok("restarts", "live-restore is on: steps outlive a restart of the engine, but not all that they print")
    return ok("restarts", "live-restore is off: a restart of the engine ends running steps, which are then `lost`")
