"""Every key of a pipeline: Vela's, which are those of go-vela/server ``compiler/types/yaml``, and our own.

Vela ignores keys that it does not know, so that our own may stand beside its in one file.
"""

from typing import Final

from runner.dialects.definitions import Form, Key, Kind, Standing, flag, text
from runner.plan.model import OnLost, PullPolicy, Workspace

_DURATION: Final = r"^([0-9]+(\.[0-9]+)?|([0-9]+(\.[0-9]+)?h)?([0-9]+(\.[0-9]+)?m)?([0-9]+(\.[0-9]+)?s)?)$"
_COUNT: Final = r"^([0-9]|10)$"
_POSITIVE: Final = "^[1-9][0-9]{0,8}$"
_EXPAND: Final = "no template is fetched or rendered here: write its steps out, as `vela validate pipeline` prints them"
_WORKSPACES, _ON_LOST = tuple(word.value for word in Workspace), tuple(word.value for word in OnLost)
_PULLS: Final = (*(policy.value for policy in PullPolicy), "true", "false")


def _texts(name: str, about: str) -> Key:
    return Key(name=name, form=Form.TEXTS, about=about)


def _map(name: str, about: str, kind: Kind) -> Key:
    return Key(name=name, form=Form.MAP, about=about, kind=kind)


def _list(name: str, about: str, kind: Kind) -> Key:
    return Key(name=name, form=Form.LIST, about=about, kind=kind)


def _entries(name: str, about: str, kind: Kind) -> Key:
    return Key(name=name, form=Form.ENTRIES, about=about, kind=kind)


def _server(name: str, about: str, form: Form = Form.ANYTHING) -> Key:
    return Key(name=name, form=form, about=f"{about}. Means something to a Vela server only.", standing=Standing.SERVER)


def _later(name: str, about: str, instead: str = "remove it") -> Key:
    about = f"{about}. Not supported yet."
    return Key(name=name, form=Form.ANYTHING, about=about, standing=Standing.LATER, instead=instead)


_ENVIRONMENT: Final = Key(name="environment", form=Form.VARIABLES, about="Variables: a map, or a list of NAME=VALUE.")
_ENTRYPOINT: Final = _texts("entrypoint", "Replaces the image's own entrypoint where there are no commands.")
_PULL: Final = text("pull", "When the image is pulled.", words=_PULLS)
_USER: Final = text("user", "The user, as Docker takes it: name, uid, or uid:gid.")
_TIMEOUT: Final = text("timeout", "How long it may take: seconds, or 90s, 5m, 1h30m.", pattern=_DURATION)
_RETRY: Final = text("retry", "How often to try again after a failure: 0 to 10.", pattern=_COUNT)
_PRIVILEGED: Final = flag("privileged", "Ask for a privileged container; the operator must allow the image.")
_GLOBALS: Final = Key(name="globals", form=Form.VALUES, about="Values by name, of any type; `!name` refers to one.")
_LINKS: Final = Key(name="links", form=Form.VALUES, about="Short names of references; `!name` is what it refers to.")
_PARAMETERS: Final = Key(name="parameters", form=Form.VALUES, about="Given to the container as PARAMETER_<NAME>.")

_OPERATOR: Final = text("operator", "How the rules combine.", words=("and", "or"))
_MATCHER: Final = text("matcher", "How patterns are read.", words=("filepath", "regexp", "regex"))
RULE_KEYS: Final = (
    _texts("branch", "The branch; of a pull request, the one that it goes to."),
    _texts("comment", "The text of a comment."),
    _texts("event", "The event: push, tag, pull_request:opened, ..."),
    _texts("path", "A changed path."),
    _texts("repo", "The repository, as org/name."),
    _texts("sender", "Who caused the run."),
    _texts("status", "The status of the run so far: success or failure."),
    _texts("tag", "The tag."),
    _texts("target", "The target of a deployment."),
    _texts("label", "A label of the pull request."),
    _texts("instance", "The address of the Vela server."),
    text("eval", "An expression over the variables of the step."),
)
RULES: Final = Kind(name="rules", keys=(*RULE_KEYS, _OPERATOR, _MATCHER))
RULESET: Final = Kind(
    name="ruleset",
    keys=(
        _map("if", "Runs only if these rules match.", RULES),
        _map("unless", "Runs only if these rules do not match.", RULES),
        flag("continue", "A failure does not fail the run."),
        *RULES.keys,
    ),
)
_RULESET: Final = _map("ruleset", "When it runs; rules stand in 'if', 'unless', or right here.", RULESET)

ULIMIT: Final = Kind(
    name="ulimit",
    keys=(
        text("name", "Docker's name of the limit, such as nofile.", required=True),
        text("soft", "What holds at first.", pattern="^-?[0-9]+$", required=True),
        text("hard", "How far a process may raise it; else as soft.", pattern="^-?[0-9]+$"),
    ),
)
VOLUME: Final = Kind(
    name="volume",
    keys=(
        text("source", "A path of the host.", required=True),
        text("destination", "Where the container sees it; else at the same path."),
        text("access_mode", "ro, or rw.", words=("ro", "rw")),
    ),
)
LIMITS: Final = Kind(
    name="limits",
    keys=(
        text("cpus", "Processors, such as 1.5.", pattern=r"^[0-9]+(\.[0-9]+)?$"),
        text("memory", "Bytes, or 512k, 64m, 2g.", pattern="^[0-9]+([bkmgBKMG]|[kmgKMG][iI]?[bB])?$"),
        text("pids", "Processes.", pattern="^[0-9]+$"),
    ),
)
CACHE: Final = Kind(
    name="cache",
    keys=(
        text("key", "What tells one cache from another.", required=True),
        _texts("paths", "Directories that live between runs: absolute, or below the working directory."),
    ),
)
ARTIFACTS: Final = Kind(name="artifacts", keys=(_texts("paths", "Patterns of files that are copied out."),))
STEP_SECRET: Final = Kind(
    name="secret of a step",
    keys=(
        text("source", "The name of a declared secret.", required=True),
        text("target", "The variable that receives it.", required=True),
    ),
)
_ULIMITS: Final = _entries("ulimits", "Limits of processes: name=soft[:hard], or maps.", ULIMIT)
_SECRETS: Final = _entries("secrets", "Secrets that it gets: names, or maps with source and target.", STEP_SECRET)

STEP: Final = Kind(
    name="step",
    keys=(
        text("name", "What it is called; each needs a name of its own.", required=True),
        text("image", "The image that it runs in.", required=True),
        _texts("commands", "What it runs, one after the other, in one shell."),
        _ENTRYPOINT,
        _ENVIRONMENT,
        _PARAMETERS,
        _SECRETS,
        _PULL,
        _RULESET,
        flag("detach", "Start it, and go on without waiting for it."),
        _USER,
        _PRIVILEGED,
        _ULIMITS,
        _entries("volumes", "Paths of the host: src[:dst[:mode]], or maps; the operator must allow them.", VOLUME),
        _map("artifacts", "Files to copy out when it has ended.", ARTIFACTS),
        _TIMEOUT,
        _RETRY,
        text("working_dir", "Where it begins: absolute, or below the usual working directory."),
        _map("limits", "What it may use.", LIMITS),
        text("shell", "The shell that runs the commands, such as bash; else /bin/sh."),
        _list("cache", "Directories that live between runs.", CACHE),
        _later("template", "Expands a template in place", _EXPAND),
        _server("report_as", "A commit status of its own"),
        _server("id_request", "Asks for an identity token"),
        _server("git", "A token for other repositories"),
    ),
)
STAGE: Final = Kind(
    name="stage",
    keys=(
        text("name", "Overrides the name that is its key."),
        _texts("needs", "Stages that it waits for, and whose files it sees."),
        flag("independent", "Goes on whatever fails elsewhere."),
        _ENVIRONMENT,
        Key(name="steps", form=Form.LIST, about="What it does, one after the other.", kind=STEP, required=True),
        _RULESET,
        _TIMEOUT,
        _RETRY,
        text("workspace", "What its steps share.", words=_WORKSPACES),
        text("on_lost", "What becomes of a step whose end nobody saw: it fails, or is run again.", words=_ON_LOST),
        flag("async", "A step starts it by `trigger-task NAME`, any number of times: a run of its own."),
        Key(name="fork", form=Form.DATA, about="Runs once for each of these values: a list, or a reference to one."),
        text("fork_limit", "How many branches run at a time; else all of them.", pattern=_POSITIVE),
        text("join", "The fork whose branches it waits for, all of them, and runs once."),
        _list("evaluate", "Steps that decide, before all others, whether it runs: `pipelinectl skip`, `stop`.", STEP),
        _GLOBALS,
        _LINKS,
    ),
)
READY: Final = Kind(
    name="ready",
    one_of=("command", "port"),
    keys=(
        text("command", "Is run in it by a shell until it succeeds."),
        text("port", "Is tried until it accepts a connection.", pattern="^[0-9]{1,5}$"),
        _TIMEOUT,
    ),
)
SERVICE: Final = Kind(
    name="service",
    keys=(
        text("name", "What it is called, and reached by.", required=True),
        text("image", "The image that it runs.", required=True),
        _ENTRYPOINT,
        _ENVIRONMENT,
        _PULL,
        _RULESET,
        _USER,
        _ULIMITS,
        _PRIVILEGED,
        _map("ready", "When steps may use it; else as its image's HEALTHCHECK says.", READY),
        _server("ports", "Other containers reach every port of it by its name", Form.TEXTS),
    ),
)
ORIGIN: Final = Kind(
    name="origin",
    keys=(
        text("name", "What the plugin is called.", required=True),
        text("image", "The image of the plugin.", required=True),
        _ENVIRONMENT,
        _PARAMETERS,
        _SECRETS,
        _PULL,
        _RULESET,
        _server("id_request", "Asks for an identity token"),
    ),
)
SECRET: Final = Kind(
    name="secret",
    keys=(
        text("name", "The name that steps use."),
        text("key", "Where a store of secrets keeps it."),
        text("engine", "Which store.", words=("native", "vault")),
        text("type", "Whose it is.", words=("repo", "org", "shared")),
        text("pull", "When the store is asked.", words=("build_start", "step_start")),
        _map("origin", "A plugin that fetches secrets into files before anything else runs.", ORIGIN),
    ),
)
METADATA: Final = Kind(
    name="metadata",
    keys=(
        _texts("environment", "Which containers get the global environment: steps, services, secrets."),
        _later("render_inline", "Expands templates without steps", _EXPAND),
        _server("clone", "Whether the repository is cloned; here the source is there already"),
        _server("template", "Marks a template"),
        _server("auto_cancel", "Which builds a new one cancels"),
    ),
)
DEPLOYMENT_PARAMETER: Final = Kind(
    name="deployment parameter",
    keys=(
        text("description", "What it is for."),
        text("type", "integer, number, boolean or string."),
        flag("required", "Must be given."),
        _texts("options", "The only values."),
        text("min", "The least number.", pattern="^-?[0-9]+$"),
        text("max", "The greatest number.", pattern="^-?[0-9]+$"),
    ),
)
DEPLOYMENT: Final = Kind(
    name="deployment",
    keys=(
        _texts("targets", "The only targets."),
        Key(name="parameters", form=Form.NAMED, about="What is given to it.", kind=DEPLOYMENT_PARAMETER),
        _later("template", "A template for deployments", _EXPAND),
    ),
)
PIPELINE: Final = Kind(
    name="pipeline",
    open=True,
    one_of=("steps", "stages"),
    keys=(
        text("version", "The version of the format: '1'.", required=True),
        text("name", "What the pipeline is called."),
        _map("metadata", "How the pipeline is read.", METADATA),
        _ENVIRONMENT,
        _list("secrets", "Secrets that steps can ask for.", SECRET),
        _list("services", "Containers beside the steps, reached by their names.", SERVICE),
        Key(name="stages", form=Form.NAMED, about="Steps in groups, some at the same time.", kind=STAGE),
        _list("steps", "Steps, one after the other.", STEP),
        _map("deployment", "What may be given to a deployment.", DEPLOYMENT),
        _later("templates", "Templates that steps expand", _EXPAND),
        _server("worker", "Which worker takes it"),
        _server("git", "A token for other repositories"),
        _GLOBALS,
        _LINKS,
    ),
)
