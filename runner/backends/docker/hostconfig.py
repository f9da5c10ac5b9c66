"""What a step's container is created from: a pure function of its spec and of where it stands."""

from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import PurePosixPath

from docker.types import ContainerConfig, EndpointConfig, HostConfig, LogConfig, Mount, NetworkingConfig, Ulimit

from runner import naming
from runner.backends.docker import caches, gate
from runner.engine.specs import StepSpec
from runner.naming import Instance
from runner.records import record
from runner.settings import DockerSettings

_NANO = 1_000_000_000

_BOUNDED_LOGS = ("json-file", "local")
LOG_FILES = 8
"""Of how many files a bounded log consists: when the last is full the first goes, and 7/8 of the bound are there."""


@record
class Joined:
    """The network namespace of a running container, by its id or name."""

    container: str


@record
class Own:
    """A network namespace of its own on a network, reached there as ``alias``."""

    network: str
    alias: str = ""


@record
class Placement:
    """Where an attempt stands: what the backend knows and the spec does not say.

    ``image`` is the reference or id to create from, present on the engine. ``role`` is that of ``naming.labels``.
    ``workdir`` is where steps with a workspace begin, and where relative paths do. ``marks`` is the directory, inside
    the container, of the marks that the gate leaves; it must be on a volume among ``mounts``, and writable for anyone.
    ``scripts`` is that of the scripts of steps, by the names of their containers. ``has_shell`` tells of a created
    container whether it has ``/bin/sh``; it is asked for those with a gate.
    ``image_environment`` is what the image sets. ``note`` leaves the mark of an attempt that has no gate to do so.
    ``runs`` waits until whoever owns the network namespace runs, ``ready`` until what is mounted is filled, too.
    """

    image: str
    network: Joined | Own
    role: str
    workdir: str
    marks: str
    mounts: tuple[Mount, ...]
    has_shell: Callable[[str], bool]
    image_environment: Mapping[str, str] = field(default_factory=dict)
    note: Callable[[], None] = lambda: None
    runs: Callable[[], None] = lambda: None
    ready: Callable[[], None] = lambda: None
    scripts: str = ""


@record
class Terms:
    """What holds for all containers that one process makes. ``version`` is that of the engine's API."""

    instance: Instance
    settings: DockerSettings
    version: str


def gated(spec: StepSpec) -> bool:
    """Whether the attempt waits behind a gate; without commands or script there is nothing that it would run."""
    return bool(spec.commands or spec.script)


def variables(spec: StepSpec, placement: Placement, told: Mapping[str, str]) -> Mapping[str, str]:
    """Return what an attempt is given beside what its image sets; ``told`` is what it learns at its start.

    Raises:
        InfrastructureError: see ``gate.checked``.
    """
    defaults = {name: value for name, value in spec.defaults.items() if name not in placement.image_environment}
    return gate.checked({**defaults, **spec.environment, **told})


def with_path(spec: StepSpec, placement: Placement, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with the commands of steps first on the PATH; a service has none of them."""
    if not spec.workspace:
        return dict(environment)
    own = environment.get("PATH", placement.image_environment.get("PATH", ""))
    return {**environment, "PATH": gate.path(own)}


def mark(spec: StepSpec, placement: Placement) -> str:
    """Return the path of the mark that the gate leaves; empty without a gate."""
    return str(PurePosixPath(placement.marks) / naming.container(spec.address)) if gated(spec) else ""


def behind_gate(spec: StepSpec, placement: Placement) -> str:
    """Return what the gate runs: the step's commands, or the file that its script lies in.

    Raises:
        InfrastructureError: see ``gate.script``.
    """
    if not spec.script:
        return gate.script(spec.commands)
    return gate.execution(spec.script, str(PurePosixPath(placement.scripts) / naming.container(spec.address)))


def config(spec: StepSpec, placement: Placement, environment: Mapping[str, str], terms: Terms) -> ContainerConfig:
    """Return what the create call takes; the engine shows ``environment`` to whoever asks.

    Services and plugins that fetch secrets keep their image's working directory (``Prepare`` of go-vela/server
    ``compiler/types/pipeline/build.go``), steps begin in that of the workspace, unless the spec names another: the
    engine makes it, as root's, if it is not there. Stdin is open exactly for gated containers, and closes with its
    client (``StdinOnce``), so that one whose engine died ends by itself.
    """
    return ContainerConfig(
        terms.version,
        image=placement.image,
        entrypoint=gate.entrypoint(mark(spec, placement)) if gated(spec) else list(spec.entrypoint) or None,
        command=[],
        stdin_open=gated(spec),
        environment={**environment, "TINI_KILL_PROCESS_GROUP": "1"},
        labels=naming.labels(terms.instance, spec.address, placement.role),
        user=spec.user or None,
        working_dir=_working_dir(spec, placement),
        host_config=_host(spec, placement, terms),
        networking_config=_networking(placement.network, terms.version),
    )


def _working_dir(spec: StepSpec, placement: Placement) -> str | None:
    if not spec.working_dir and (not spec.workspace or spec.address.stage == naming.ORIGINS):
        return None
    return str(PurePosixPath(placement.workdir) / spec.working_dir)


def _host(spec: StepSpec, placement: Placement, terms: Terms) -> HostConfig:
    network, limits = placement.network, spec.limits
    confined = terms.settings.confined and not spec.privileged
    return HostConfig(
        terms.version,
        # Init, with TINI_KILL_PROCESS_GROUP: without it a shell as process 1 ignores TERM, and a script's `trap` waits
        # for the program it runs.
        init=True,
        network_mode=f"container:{network.container}" if isinstance(network, Joined) else network.network,
        mounts=[
            *placement.mounts,
            *caches.mounts(spec.caches, placement.workdir, terms.instance),
            # As mounts, not as the older binds, with which the engine makes a path that is missing.
            *(Mount(bind.target, bind.source, type="bind", read_only=bind.read_only) for bind in spec.volumes),
        ],
        nano_cpus=None if limits.cpus is None else round(limits.cpus * _NANO),
        mem_limit=limits.memory,
        memswap_limit=limits.memory,  # memory and swap together: no swap beside the limit
        pids_limit=limits.pids or (terms.settings.pids if confined else None),
        ulimits=[Ulimit(name=limit.name, soft=limit.soft, hard=limit.hard) for limit in spec.ulimits] or None,
        privileged=spec.privileged,
        cap_drop=["NET_RAW", "MKNOD"] if confined else None,
        security_opt=["no-new-privileges"] if confined else None,
        log_config=_log(terms.settings),
    )


def _log(settings: DockerSettings) -> LogConfig:
    """Return how the engine logs. A rotated log has lost lines that a reader who comes back needs, a full disk more."""
    bounded = settings.confined and settings.log_driver in _BOUNDED_LOGS
    size = {"max-size": str(settings.log_bytes // LOG_FILES), "max-file": str(LOG_FILES)}
    return LogConfig(type=settings.log_driver, config=size if bounded else {})


def _networking(network: Joined | Own, version: str) -> NetworkingConfig | None:
    if isinstance(network, Joined) or not network.alias:
        return None
    endpoints = {network.network: EndpointConfig(version, aliases=[network.alias])}
    return NetworkingConfig(endpoints)  # type: ignore[arg-type]  # the stubs ask for one endpoint, the SDK for a dict
