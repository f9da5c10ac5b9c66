"""All that is asked of an engine, in the order in which people read it."""

from collections.abc import Callable, Iterator
from dataclasses import field
from pathlib import Path

import docker

from runner.backends.docker.client import Engine
from runner.backends.docker.diagnosis.abilities import abilities
from runner.backends.docker.diagnosis.addresses import addresses
from runner.backends.docker.diagnosis.check import Check, Verdict, bad, note
from runner.backends.docker.diagnosis.disks import engine_room, reclaimable
from runner.backends.docker.diagnosis.facts import Facts, ask
from runner.backends.docker.diagnosis.kinds import kinds
from runner.backends.docker.diagnosis.security import security
from runner.backends.docker.diagnosis.trial import Trial
from runner.clock import Clock, SystemClock
from runner.errors import EngineTimeoutError, EngineUnavailableError, InfrastructureError
from runner.naming import Instance
from runner.records import record
from runner.settings import DockerSettings

_CALL_SECONDS = 3
_SOCKET = "unix://"


class HurriedEngine(Engine):
    """An engine that is given little time for each answer: whoever waits wants to know why nothing works."""

    def new_client(self, seconds: int) -> docker.APIClient:
        """Return a client of its own, whose calls may each take ``seconds``, but not long."""
        return super().new_client(min(seconds, _CALL_SECONDS))


@record
class Subject:
    """What is to be diagnosed. Without an ``instance`` nothing can be tried out; ``source`` is what a run works on."""

    engine: Engine
    settings: DockerSettings
    source: Path
    instance: Instance | None
    clock: Clock = field(default_factory=SystemClock)


def diagnose(subject: Subject) -> Iterator[Check]:
    """Look at an engine, as far as it answers and can run anything of ours; what goes wrong is a check, too."""
    try:
        facts = ask(subject.engine, subject.clock)
    except InfrastructureError as error:
        yield bad("engine", error.message, _advice(subject.engine.address, error))
        return
    usable = True
    for check in kinds(facts):
        usable = usable and check.verdict is not Verdict.BAD
        yield check
    if not usable:
        return
    yield from abilities(facts, subject.settings.log_driver)
    for name, look in _looks(subject, facts):
        try:
            yield from look()
        except (EngineUnavailableError, EngineTimeoutError) as error:
            yield bad(name, error.message, f"{error.hint or 'it answered before'}; nothing more was asked of it")
            return
        except InfrastructureError as error:
            yield bad(name, error.message, error.hint or "a run needs this of the engine: its own log may tell more")


def _looks(subject: Subject, facts: Facts) -> Iterator[tuple[str, Callable[[], Iterator[Check]]]]:
    engine, settings = subject.engine, subject.settings
    yield "workspaces", lambda: _workspaces(subject, facts)
    yield "engine's disk", lambda: iter((engine_room(facts.root, near=facts.near), reclaimable(engine)))
    yield "subnets", lambda: addresses(engine, settings, near=facts.near)
    yield "security", lambda: security(facts)


def _workspaces(subject: Subject, facts: Facts) -> Iterator[Check]:
    if subject.instance is None:
        yield note("workspaces", "not tried out", "that needs a state directory that can be written")
        return
    trial = Trial(
        engine=subject.engine,
        settings=subject.settings,
        instance=subject.instance,
        source=subject.source,
        driver=facts.driver,
    )
    image = trial.sandbox_image()
    yield image
    if image.verdict is Verdict.OK:
        yield from trial.workspaces()


def _advice(address: str, error: InfrastructureError) -> str:
    """Return what to do about an engine that cannot be asked; the hints of these errors send people to us."""
    if isinstance(error, EngineTimeoutError) or "timed out" in error.message:
        return "something listens there, but does not answer: look at its log (`journalctl -u docker`)"
    if not isinstance(error, EngineUnavailableError):
        return error.hint or "DOCKER_HOST names the engine, for example unix:///var/run/docker.sock"
    if "Permission denied" in error.message:
        return "this user may not use it: `sudo usermod -aG docker $USER`, then log in anew"
    if address.startswith(_SOCKET):
        return "is Docker installed and started (`sudo systemctl start docker`)? DOCKER_HOST names another engine"
    return "is it running, and does every firewall let us through? DOCKER_HOST names another engine"
