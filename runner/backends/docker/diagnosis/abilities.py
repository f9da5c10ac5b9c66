"""What an engine can do of what runs need."""

from collections.abc import Iterator

from runner.backends.docker.diagnosis.check import Check, bad, note, ok
from runner.backends.docker.diagnosis.facts import Facts
from runner.backends.docker.recipe import NO_LOG

_USUAL_LOG = "json-file"


def abilities(facts: Facts, log_driver: str) -> Iterator[Check]:
    """Look for the init program, the limits and the log drivers; ``log_driver`` is that of steps."""
    yield _init(facts)
    yield _limits(facts)
    yield _logs(facts, log_driver)


def _init(facts: Facts) -> Check:
    if facts.init:
        return ok("init", facts.init)
    if facts.podman:
        return note("init", "Podman does not name one", "steps need one to be ended: install catatonit")
    return bad("init", "the engine cannot run its init program", "every step needs it: install docker-init (tini)")


def _limits(facts: Facts) -> Check:
    held = [name for name, holds in facts.limits.items() if holds]
    missed = [name for name, holds in facts.limits.items() if not holds]
    cgroup = f"cgroup {facts.cgroup}"
    if not missed:
        return ok("limits", f"{cgroup}: {', '.join(held)} can be limited")
    found = f"{cgroup}: no limit of {', '.join(missed)} holds" + (f", of {', '.join(held)} does" if held else "")
    return note("limits", found, "a step can take all there is of it: boot with these cgroup controllers switched on")


def _logs(facts: Facts, log_driver: str) -> Check:
    if log_driver in (NO_LOG, *facts.log_drivers):
        return ok("log drivers", log_driver)
    found = f"the engine does not list {log_driver}"
    if facts.podman and log_driver == _USUAL_LOG:
        return note("log drivers", found, "Podman takes it for its own k8s-file; untested")
    return bad("log drivers", found, "RUNNER_LOG_DRIVER names the driver of steps")
