"""Every key of an application.

Those of Metalus 1.9 are read from ``applications/Application.scala``, ``Pipeline.scala`` and ``PipelineStep.scala`` of
Acxiom/metalus, those of a step that is a container are ours.
"""

from typing import Final

from runner.dialects.definitions import Form, Key, Kind, Standing, flag, text
from runner.plan.model import PullPolicy

APPLICATION_KEY: Final = "application"
LINKS: Final = "GlobalLinks"
"""The global that holds short names of references, and is none itself."""

PIPELINE_TYPE, FORK, JOIN = TYPES = ("pipeline", "fork", "join")
SUCCESS, ALWAYS = JOIN_ON = ("success", "always")
PULLS: Final = {"true": PullPolicy.ALWAYS, "false": PullPolicy.NOT_PRESENT, **{word.value: word for word in PullPolicy}}

_DURATION: Final = r"^([0-9]+(\.[0-9]+)?|([0-9]+(\.[0-9]+)?h)?([0-9]+(\.[0-9]+)?m)?([0-9]+(\.[0-9]+)?s)?)$"
_ORDER: Final = "steps run in the order of their list: put it in its place there"


def _texts(name: str, about: str) -> Key:
    return Key(name=name, form=Form.TEXTS, about=about)


def _names(name: str, about: str) -> Key:
    return Key(name=name, form=Form.NAMES, about=about)


def _values(name: str, about: str) -> Key:
    return Key(name=name, form=Form.VALUES, about=about)


def _for_people(name: str) -> Key:
    return Key(name=name, form=Form.ANYTHING, about="For people. Means nothing to a run.")


def _idle(name: str, about: str) -> Key:
    return Key(
        name=name, form=Form.ANYTHING, about=f"{about}. Means something to Metalus only.", standing=Standing.SERVER
    )


def _refused(name: str, instead: str) -> Key:
    about = f"A key of Metalus' own steps, and refused: {instead}."
    return Key(name=name, form=Form.ANYTHING, about=about, standing=Standing.LATER, instead=instead)


LIMITS: Final = Kind(
    name="limits",
    keys=(
        text("cpus", "Processors, such as 1.5.", pattern=r"^[0-9]+(\.[0-9]+)?$"),
        text("memory", "Bytes, or 512k, 64m, 2g.", pattern="^[0-9]+([bkmgBKMG]|[kmgKMG][iI]?[bB])?$"),
        text("pids", "Processes.", pattern="^[0-9]+$"),
    ),
)
ARTIFACTS: Final = Kind(name="artifacts", keys=(_texts("paths", "Patterns of files that are copied out."),))
SECRET: Final = Kind(
    name="secret",
    keys=(
        text("source", "The name of the secret.", required=True),
        text("target", "The variable that receives it.", required=True),
    ),
)
STEP: Final = Kind(
    name="step",
    keys=(
        text("id", "What it is called; each step of a pipeline needs an id of its own.", required=True),
        text("image", "The image that it runs in; a reference can stand here.", required=True),
        _texts("commands", "What it runs, one after the other, in one shell. Nothing in them is replaced."),
        _values("environment", "Variables; references can stand here. Lists and maps are given as JSON."),
        _values("parameters", "Given to the container as PARAMETER_<NAME>; else as the environment."),
        text("pull", "When the image is pulled.", words=tuple(PULLS)),
        Key(
            name="secrets",
            form=Form.ENTRIES,
            about="Secrets that it gets: names, or maps with source and target.",
            kind=SECRET,
        ),
        text("user", "The user, as Docker takes it: name, uid, or uid:gid."),
        _texts("entrypoint", "Replaces the image's own entrypoint where there are no commands."),
        text("working_dir", "Where it begins: absolute, or below /workspace."),
        text("timeout", "How long it may take: seconds, or 90s, 5m, 1h30m.", pattern=_DURATION),
        text("retry", "How often to try again after a failure: 0 to 10.", pattern="^([0-9]|10)$"),
        Key(name="limits", form=Form.MAP, about="What it may use.", kind=LIMITS),
        text("shell", "The shell that runs the commands, such as bash; else /bin/sh."),
        Key(name="artifacts", form=Form.MAP, about="Files to copy out when it has ended.", kind=ARTIFACTS),
        text("type", "Only a plain step can be a container.", words=(PIPELINE_TYPE,)),
        *map(_for_people, ("displayName", "description", "category", "tags")),
        _idle("engineMeta", "Which function it is"),
        _idle("stepId", "Of which template it is made"),
        _refused("params", "write 'parameters', or 'environment'"),
        _refused("nextStepId", _ORDER),
        _refused("nextStepOnError", "let a command handle the failure: its exit code decides"),
        _refused("executeIfEmpty", "let a command decide whether there is anything to do"),
        _refused("retryLimit", "write 'retry'"),
        _refused("ruleset", "an evaluation pipeline decides whether an execution runs"),
    ),
)
PIPELINE: Final = Kind(
    name="pipeline",
    keys=(
        text("id", "What it is called, by executions and in references.", required=True),
        Key(name="steps", form=Form.LIST, about="What it does, one after the other.", kind=STEP, required=True),
        *map(_for_people, ("name", "description", "category", "tags")),
        _idle("stepGroupResult", "What a step group returns"),
    ),
)
_GLOBALS: Final = _values("globals", "Values by name, references among them; short names stand under GlobalLinks.")
_PIPELINES: Final = Key(name="pipelines", form=Form.LIST, about="Definitions of pipelines.", kind=PIPELINE)
_PARAMETERS: Final = _values("pipelineParameters", "Presets by pipeline: references see them as $NAME.")

EXECUTION: Final = Kind(
    name="execution",
    keys=(
        text("id", "What it is called; each execution needs an id of its own.", required=True),
        _names("parents", "Executions that it waits for, whose results and files it sees."),
        _names("pipelineIds", "The pipelines that it runs, in this order; else its own, else all of the application."),
        _PIPELINES,
        text("initialPipelineId", "The pipeline that it begins with; those before it are left out."),
        _GLOBALS,
        flag("mergeGlobals", "Adds its globals to those of the application, instead of replacing these."),
        _PARAMETERS,
        text("executionType", "fork: it runs once for each value, up to its join.", words=TYPES),
        Key(name="forkByValue", form=Form.DATA, about="The list to fork over, or a reference to it."),
        Key(name="forkByValues", form=Form.DATA, about="Another spelling of forkByValue."),
        text("forkLimit", "How many branches run at a time.", pattern="^[1-9][0-9]{0,8}$"),
        text("joinOn", "always: a join runs whatever has become of the branches.", words=JOIN_ON),
        _names("evaluationPipelineIds", "Pipelines that decide whether it runs, is skipped, or stops."),
        Key(name="evaluationPipelines", form=Form.LIST, about="Definitions of such pipelines.", kind=PIPELINE),
        *map(_for_people, ("name", "description")),
        *(_idle(name, "A class") for name in ("pipelineListener", "sparkListeners", "securityManager", "stepMapper")),
    ),
)
APPLICATION: Final = Kind(
    name="application",
    keys=(
        _GLOBALS,
        _PARAMETERS,
        Key(name="executions", form=Form.LIST, about="What runs, as a graph.", kind=EXECUTION, required=True),
        _PIPELINES,
        *map(_for_people, ("id", "name", "description", "version")),
        _idle("applicationProperties", "For code that sets up a driver"),
        _idle("requiredParameters", "Names that must be on the command line"),
        _idle("stepPackages", "Where functions of steps are found"),
        _idle("sparkConf", "How Spark is set up"),
        *(_idle(name, "A class") for name in ("pipelineListener", "securityManager", "stepMapper", "pipelineManager")),
        *(_idle(name, "Classes") for name in ("sparkListeners", "sparkUdfs", "json4sSerializers")),
    ),
)
WRAPPED: Final = Kind(
    name="wrapped application",
    keys=(Key(name=APPLICATION_KEY, form=Form.MAP, about="The application.", kind=APPLICATION, required=True),),
)
