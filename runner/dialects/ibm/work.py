"""What a stage of version 1 or a step of version 2 does, and the container that comes of it."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import field
from typing import Final

from runner.plan.model import PullPolicy, Ready, Ruleset, Service, Step, Told
from runner.plan.trigger import Trigger
from runner.records import record

BASE_IMAGE: Final = "icr.io/continuous-delivery/pipeline/pipeline-base-ubi"
"""The image of what names none ("Pipeline Configuration v2", the key ``image`` of a step)."""

SKIPPED: Final = "the file says 'skip: true'"

_DOCKER: Final = "dind"
_DOCKER_IMAGE: Final = "docker:dind"
_DOCKER_PROPERTY: Final = "dind-image"
_DOCKER_PORT: Final = 2375
_FINISHING: Final = {"finish_evaluate_exit_code": "0"}
"""What IBM's evaluation of the evidence came to; none is evaluated here, so none is bad."""

_PULLS: Final = {
    "Always": PullPolicy.ALWAYS,
    "IfNotPresent": PullPolicy.NOT_PRESENT,
    "Never": PullPolicy.NEVER,
}


@record
class Work:
    """What is to be done. ``docker`` is the image of the Docker that it wants beside it: empty for the usual one.

    ``skip`` is why it is not done at all. ``proceed`` and the rest are as in ``Step`` and its ruleset.
    """

    image: str = ""
    script: str = ""
    pull: PullPolicy = PullPolicy.NOT_PRESENT
    docker: str | None = None
    privileged: bool = False
    proceed: bool = False
    timeout: float | None = None
    skip: str = ""

    @property
    def settled(self) -> bool:
        """Whether the file says what to do: it gives a script, or passes it over."""
        return bool(self.script or self.skip)

    @property
    def wants_docker(self) -> bool:
        """Whether it is done, and needs Docker for it."""
        return self.docker is not None and not self.skip


@record
class Around:
    """What is around all steps: ``given`` are variables of whoever asks for the run, ``properties`` the plain ones.

    ``daemons`` are the services that give them Docker, by their images.
    """

    given: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    daemons: Mapping[str, Service] = field(default_factory=dict)

    @classmethod
    def of(cls, trigger: Trigger | None, works: Iterable[Work]) -> "Around":
        """Return what is around these works; parameters of the trigger win over properties."""
        if trigger is None:
            return cls(daemons=_daemons(_image(work, {}) for work in works if work.wants_docker))
        properties = {**trigger.properties, **trigger.parameters}
        images = (_image(work, properties) for work in works if work.wants_docker)
        return cls(given=trigger.environment, properties=properties, daemons=_daemons(images))

    @property
    def services(self) -> tuple[Service, ...]:
        """The services, in the order of the file."""
        return tuple(self.daemons.values())

    def step(self, name: str, work: Work, *, last: bool = False, own: Mapping[str, str] | None = None) -> Step:
        """Return the step that does a work, with variables of its ``own``; the ``last`` one hears how all has ended."""
        host = {"DOCKER_HOST": f"tcp://{self._daemon(work)}:{_DOCKER_PORT}"} if work.wants_docker else {}
        return Step(
            name=name,
            image=work.image or BASE_IMAGE,
            script=work.script,
            environment={**(own or {}), **host, **(_FINISHING if last else {}), **self.given},
            pull=work.pull,
            ruleset=Ruleset(proceed=work.proceed),
            timeout=work.timeout,
            privileged=work.privileged,
            skip=work.skip,
            told={"PIPELINE_STATUS": Told.PIPELINE_STATUS} if last else {},
        )

    def needed(self, works: Iterable[Work]) -> tuple[str, ...]:
        """Return the names of the services that these works need."""
        return tuple(dict.fromkeys(self._daemon(work) for work in works if work.wants_docker))

    def _daemon(self, work: Work) -> str:
        return self.daemons[_image(work, self.properties)].name


def pull_policy(word: str) -> PullPolicy:
    """Return the pull policy that a word of Kubernetes means."""
    return _PULLS[word]


def _image(work: Work, properties: Mapping[str, str]) -> str:
    return work.docker or properties.get(_DOCKER_PROPERTY) or _DOCKER_IMAGE


def _daemons(images: Iterable[str]) -> dict[str, Service]:
    """Return a service for each image, without TLS: nobody but the steps of the run reaches it."""
    found: dict[str, Service] = {}
    for image in images:
        if image not in found:
            found[image] = Service(
                name=_numbered(found),
                image=image,
                environment={"DOCKER_TLS_CERTDIR": ""},
                privileged=True,
                ready=Ready(port=_DOCKER_PORT),
            )
    return found


def _numbered(others: Collection[str]) -> str:
    return f"{_DOCKER}-{len(others) + 1}" if others else _DOCKER
