"""The plan: stages, steps, services and secrets by name. A dialect makes it, the engine runs it.

Everything here is frozen and has a JSON form (``plan.codec``) that round-trips.
"""

from collections.abc import Mapping
from dataclasses import field, replace
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Final, TypeAlias

from runner.records import record

RARE: Final = MappingProxyType({"rare": True})
"""Marks a field that the JSON form leaves out where it has its default."""
DATA: Final = MappingProxyType({"rare": True, "data": True})
"""Marks such a field that is JSON data, as it stands."""

Json: TypeAlias = str | int | float | bool | list["Json"] | dict[str, "Json"] | None


class PullPolicy(StrEnum):
    """When an image is fetched (Vela's ``pull`` key, ``constants/pull.go`` of go-vela/server)."""

    ALWAYS = "always"  # before anything runs, whether present or not
    NOT_PRESENT = "not_present"  # before anything runs, if absent
    ON_START = "on_start"  # right before each start of the step
    NEVER = "never"


class Operator(StrEnum):
    """How the rules of one block combine."""

    AND = "and"
    OR = "or"


class Matcher(StrEnum):
    """How a pattern is read."""

    FILEPATH = "filepath"  # Go's filepath.Match
    REGEXP = "regexp"  # RE2, unanchored


@record
class Rules:
    """One block of a ruleset: for each rule, its patterns; an absent rule does not take part."""

    branch: tuple[str, ...] = ()
    comment: tuple[str, ...] = ()
    event: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    repo: tuple[str, ...] = ()
    sender: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    label: tuple[str, ...] = ()
    instance: tuple[str, ...] = ()
    eval: str = ""  # an expression over the environment (plan.expressions)
    operator: Operator = Operator.AND
    matcher: Matcher = Matcher.FILEPATH

    def with_patterns(self, patterns: Mapping[str, tuple[str, ...]]) -> "Rules":
        """Return these rules with the patterns of some, by their names."""
        return replace(self, **patterns)  # type: ignore[arg-type]  # the names are those of fields that hold patterns


@record
class Ruleset:
    """When a step runs. ``proceed`` is Vela's ``continue``: a non-zero exit does not fail the run."""

    if_: Rules = Rules()
    unless: Rules = Rules()
    proceed: bool = False


@record
class Facts:
    """Why a run happens: what rules are compared with. A missing fact is the empty string or tuple."""

    branch: str = ""
    event: str = ""  # "push", "pull_request:opened", ...
    tag: str = ""
    repo: str = ""
    comment: str = ""
    path: tuple[str, ...] = ()  # changed files
    sender: str = ""
    target: str = ""
    label: tuple[str, ...] = ()
    instance: str = ""


@record
class SecretUse:
    """A secret that a step asks for: ``source`` is its name, ``target`` the variable that receives it."""

    source: str
    target: str


@record
class Limits:
    """What a container may use: processors, bytes of memory, processes; None for as much as there is."""

    cpus: float | None = None
    memory: int | None = None
    pids: int | None = None


@record
class Ulimit:
    """A resource limit of a container's processes (setrlimit(2)), by Docker's name for it."""

    name: str
    soft: int
    hard: int


@record
class Bind:
    """A path of the host that a container sees."""

    source: str
    target: str
    read_only: bool = True


@record
class Cache:
    """A directory that lives between runs: one for each key and path. A relative path begins at the workdir."""

    key: str
    path: str


@record
class Step:
    """One container. ``timeout`` is in seconds; ``retry`` counts further attempts after the first.

    It runs ``commands``, each traced, the first that fails ends it; or a ``script``, as a file whose first line names
    what runs it (``#!``), else ``/bin/sh``; or what its image runs. ``skip`` is why it does not run, where its pipeline
    says so. ``told`` are variables that are filled right before it starts, beside those of the plan.

    ``shell`` runs the commands, ``/bin/sh`` if empty. ``working_dir`` is where they begin: the plan's workdir if
    empty, under it if relative. ``artifacts`` are patterns of files to copy out. With ``late`` a ``${NAME}`` in image,
    entrypoint, user or environment is replaced right before the start (``plan.substitution``).

    In a plan that is ``mapped`` what the step returns is found as ``id`` of ``pipeline``, and the texts of its image
    and its environment are references (``plan.mapping``). With ``evaluates`` it is one of those, before all others,
    that decide whether its stage runs, is skipped or stops.
    """

    name: str
    image: str
    commands: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[SecretUse, ...] = ()
    pull: PullPolicy = PullPolicy.NOT_PRESENT
    detach: bool = False
    user: str = ""
    ruleset: Ruleset = Ruleset()
    timeout: float | None = None
    retry: int = 0
    shell: str = field(default="", metadata=RARE)
    working_dir: str = field(default="", metadata=RARE)
    limits: Limits = field(default=Limits(), metadata=RARE)
    ulimits: tuple[Ulimit, ...] = field(default=(), metadata=RARE)
    volumes: tuple[Bind, ...] = field(default=(), metadata=RARE)
    caches: tuple[Cache, ...] = field(default=(), metadata=RARE)
    artifacts: tuple[str, ...] = field(default=(), metadata=RARE)
    privileged: bool = field(default=False, metadata=RARE)
    late: bool = field(default=False, metadata=RARE)
    script: str = field(default="", metadata=RARE)
    skip: str = field(default="", metadata=RARE)
    told: Mapping[str, "Told"] = field(default_factory=dict, metadata=RARE)
    pipeline: str = field(default="", metadata=RARE)
    id: str = field(default="", metadata=RARE)
    evaluates: bool = field(default=False, metadata=RARE)


class Workspace(StrEnum):
    """What the steps of a stage share."""

    OWN = "own"  # a layer of its own over those of the stages it needs
    FRESH = "fresh"  # a layer of its own over the source, whatever other stages have left
    SHARED = "shared"  # one for all stages that say so, as Vela has it
    NONE = "none"


class OnLost(StrEnum):
    """What happens when nobody saw the end of a step."""

    FAIL = "fail"  # it counts as one that ended badly
    RERUN = "rerun"  # it is tried again, whether or not it is to be retried


class BlockedBy(StrEnum):
    """Whose failure keeps a stage from starting, whatever the rules of its steps say."""

    NOTHING = "nothing"  # those rules decide, as Vela has it
    RUN = "run"  # that of any stage, as in Tekton and so in IBM's pipelines
    FORK = "fork"  # that of the fork that it joins, if it has no branches; what becomes of these does not matter
    NEEDS = "needs"  # that of a stage that it needs, which must be a success or skipped, as in Metalus


@record
class Fork:
    """That a stage runs once for each value of a list, and with it the ``stages`` that stand on it up to its join.

    ``values`` are the list, or a reference to it (``plan.mapping``). At most ``limit`` branches run at a time, 0 for
    as many as there are.
    """

    values: Json = field(metadata=DATA)
    stages: tuple[str, ...] = ()
    limit: int = 0


@record
class Branch:
    """That a stage is the one for a value of a fork: of which, which of its values, how many there may be at a time."""

    fork: str
    index: int
    limit: int = 0


@record
class Stage:
    """A node of the graph: steps in order, with a workspace of their own.

    ``needs`` holds only names of stages of the same plan. An ``async_`` stage is no part of the graph: steps start it
    through pipelinectl, as a run of its own. With ``allow_failure`` the stage can fail without effect on the run.
    ``fault`` is why it fails before it has begun. ``config`` names what is seen under ``layout.CONFIG`` in this stage
    only: the properties ``NAME/KEY``, as ``KEY``; ``$PROP`` is the name that the property has. ``services`` are those
    that only this stage, and others that name them, need.

    What a plan that is ``mapped`` says of it: ``globals`` are its values by name, ``links`` short names of references,
    which those that need it see as well, ``parameters`` what is preset for each of its pipelines. With ``fork`` it is
    replaced by its branches when the values are known (``plan.forks``). Such a branch, and what stands on it, is
    ``within`` it, outer branches first; ``template`` is the name that it has in the file. To a stage outside a fork
    ``joined`` says which branches take the place of a stage that it needed, in their order; if there is none it still
    stands on what is ``below`` the fork.

    ``timeout`` (seconds) and ``retry`` are those of the stage as a whole; each retry begins with an empty layer.
    ``ruleset`` counts as if it stood on every step as well, and a ``status`` rule in it takes the place of the one that
    a step without is taken to have. ``on_lost`` is for each of its steps.
    """

    name: str
    steps: tuple[Step, ...]
    needs: tuple[str, ...] = ()
    independent: bool = False
    async_: bool = False
    timeout: float | None = None
    retry: int = 0
    ruleset: Ruleset = field(default=Ruleset(), metadata=RARE)
    workspace: Workspace = field(default=Workspace.OWN, metadata=RARE)
    on_lost: OnLost = field(default=OnLost.FAIL, metadata=RARE)
    blocked_by: BlockedBy = field(default=BlockedBy.NOTHING, metadata=RARE)
    allow_failure: bool = field(default=False, metadata=RARE)
    fault: str = field(default="", metadata=RARE)
    config: tuple[str, ...] = field(default=(), metadata=RARE)
    services: tuple[str, ...] = field(default=(), metadata=RARE)
    globals: Mapping[str, Json] = field(default_factory=dict, metadata=DATA)
    links: Mapping[str, Json] = field(default_factory=dict, metadata=DATA)
    parameters: Mapping[str, Mapping[str, Json]] = field(default_factory=dict, metadata=DATA)
    fork: Fork | None = field(default=None, metadata=RARE)
    within: tuple[Branch, ...] = field(default=(), metadata=RARE)
    template: str = field(default="", metadata=RARE)
    joined: Mapping[str, tuple[str, ...]] = field(default_factory=dict, metadata=RARE)
    below: tuple[str, ...] = field(default=(), metadata=RARE)

    @property
    def id(self) -> str:
        """The name that the stage has in the file: that of a branch without its index."""
        return self.template or self.name


@record
class Ready:
    """When a service can be used: a command in it succeeds, or a port of it accepts. Steps wait for ``timeout`` s."""

    command: str = ""
    port: int | None = None
    timeout: float = 60.0


@record
class Service:
    """A container beside the run, reached by its name; it starts first and ends with the run.

    Without ``ready`` it can be used when its image's HEALTHCHECK says so, or at once where there is none.
    """

    name: str
    image: str
    entrypoint: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    pull: PullPolicy = PullPolicy.NOT_PRESENT
    user: str = ""
    ulimits: tuple[Ulimit, ...] = field(default=(), metadata=RARE)
    privileged: bool = field(default=False, metadata=RARE)
    ready: Ready | None = field(default=None, metadata=RARE)


class Told(StrEnum):
    """What is known only when a step starts, and told to it in a variable."""

    RUN_STATUS = "run status"  # "running" or "failure"
    PIPELINE_STATUS = "pipeline status"  # the same in IBM's words: "Succeeded" or "Failed"
    RUN_STARTED = "run started"  # seconds since 1970
    STEP_STARTED = "step started"


@record
class Pruned:
    """What the rules removed before the run, and why. ``step`` is empty when the whole stage went."""

    stage: str
    step: str
    why: str


@record
class Plan:
    """What will run. A pipeline with plain ``steps`` has one stage.

    ``workdir`` is where steps begin and where the source appears; ``home`` the directory around it that the steps of a
    stage share. ``secrets`` are the names that the pipeline declares or asks for, anywhere. ``facts`` are kept for the
    rules that are decided at run time. ``origins`` are steps that fetch secrets into the lowest layer before anything
    else runs. ``environment`` is given to every container, under its own. ``outputs`` is a directory that all steps of
    the run share, in which they leave variables for later ones (``engine.outputs``); empty where there is none.
    ``told`` says which variables are filled right before each step. ``async_stages`` are those that steps may start,
    ``undefined`` those that this kind of pipeline has and its file lacks: each has a ``fault``, and belongs to a run
    only if it is asked for by name. ``kind`` is that of IBM's pipelines (``ci``, ``cd``, ``pr``, ``cc``).
    In a plan that is ``mapped`` references are resolved, and what each step returns is kept.
    """

    dialect: str
    stages: tuple[Stage, ...]
    services: tuple[Service, ...] = ()
    secrets: tuple[str, ...] = ()
    facts: Facts = Facts()
    home: str = "/workspace"
    workdir: str = "/workspace"
    pruned: tuple[Pruned, ...] = ()
    warnings: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict, metadata=RARE)
    origins: tuple[Step, ...] = field(default=(), metadata=RARE)
    outputs: str = field(default="", metadata=RARE)
    told: Mapping[str, Told] = field(default_factory=dict, metadata=RARE)
    async_stages: tuple[Stage, ...] = field(default=(), metadata=RARE)
    undefined: tuple[Stage, ...] = field(default=(), metadata=RARE)
    kind: str = field(default="", metadata=RARE)
    mapped: bool = field(default=False, metadata=RARE)

    @property
    def needed_services(self) -> tuple[Service, ...]:
        """The services that are started: those that no stage names, and those that one names which can run."""
        special = {name for stage in (*self.stages, *self.async_stages) for name in stage.services}
        wanted = {name for stage in self.stages if not stage.fault for name in stage.services}
        return tuple(each for each in self.services if each.name not in special or each.name in wanted)

    @property
    def reaches_by_name(self) -> bool:
        """Whether steps may reach something of the run by its name: a service, or a detached step."""
        return bool(self.services) or any(step.detach for stage in self.stages for step in stage.steps)

    def stage(self, name: str) -> Stage:
        """Return the stage of that name; KeyError when there is none."""
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Stage]:
        return {stage.name: stage for stage in self.stages}
