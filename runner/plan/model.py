"""The plan: stages, steps, services and secrets by name. A dialect makes it, the engine runs it.

Everything here is frozen and has a JSON form (``plan.codec``) that round-trips.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


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


@dataclass(frozen=True, kw_only=True)
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
    operator: Operator = Operator.AND
    matcher: Matcher = Matcher.FILEPATH


@dataclass(frozen=True, kw_only=True)
class Ruleset:
    """When a step runs. ``proceed`` is Vela's ``continue``: a non-zero exit does not fail the run."""

    if_: Rules = Rules()
    unless: Rules = Rules()
    proceed: bool = False


@dataclass(frozen=True, kw_only=True)
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


@dataclass(frozen=True, kw_only=True)
class SecretUse:
    """A secret that a step asks for: ``source`` is its name, ``target`` the variable that receives it."""

    source: str
    target: str


@dataclass(frozen=True, kw_only=True)
class Step:
    """One container. ``timeout`` is in seconds; ``retry`` counts further attempts after the first."""

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


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A node of the graph: steps in order, with a workspace of their own.

    ``needs`` holds only names of stages of the same plan. ``timeout`` (seconds) and ``retry`` are those of the
    stage as a whole; each retry begins with an empty layer.
    """

    name: str
    steps: tuple[Step, ...]
    needs: tuple[str, ...] = ()
    independent: bool = False
    async_: bool = False  # started through pipelinectl, as a run of its own; no dialect declares one yet
    timeout: float | None = None
    retry: int = 0


@dataclass(frozen=True, kw_only=True)
class Service:
    """A container beside the run, reached by its name; it starts first and ends with the run."""

    name: str
    image: str
    entrypoint: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    pull: PullPolicy = PullPolicy.NOT_PRESENT
    user: str = ""


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """What the rules removed before the run, and why. ``step`` is empty when the whole stage went."""

    stage: str
    step: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What will run. A pipeline with plain ``steps`` has one stage.

    ``workdir`` is where steps begin and where the source appears; ``home`` the directory around it that the steps
    of a stage share. ``facts`` are kept for the rules that are decided at run time.
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

    def stage(self, name: str) -> Stage:
        """Return the stage of that name; KeyError when there is none."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(name)
