"""Every key of IBM's files, as on its pages.

Those of version 1 stand on "Customizing pipelines by using custom scripts", those of version 2 on "Pipeline
Configuration v2", which IBM has withdrawn; files in use have keys of version 1 in steps, too. ``runtimeClassName`` and
``displayName`` are about IBM's machines and pages, and mean nothing here.
"""

from typing import Final

from runner.dialects.definitions import Form, Key, Kind, flag, text
from runner.dialects.ibm.pipelines import known_names

VERSION: Final = "version"
PREPROCESSOR: Final = "preprocessor_version"
TASKS: Final = "tasks"
FINALLY: Final = "finally"
PULLS: Final = ("Always", "IfNotPresent", "Never")
ON_ERROR: Final = ("stopAndFail", "continue")
_DURATION: Final = r"^(0|([0-9]+(\.[0-9]+)?h)?([0-9]+(\.[0-9]+)?m)?([0-9]+(\.[0-9]+)?s)?)$"


def _names(name: str, about: str) -> Key:
    return Key(name=name, form=Form.NAMES, about=about)


_IMAGE: Final = text("image", "The image that it runs in; else IBM's base image.")
_SCRIPT: Final = text("script", "Is run as a file; its first line says by what, else /bin/sh.")
_DIND: Final = flag("dind", "Docker beside it, at DOCKER_HOST; the operator must allow its image.")
_PULL: Final = text("image_pull_policy", "When the image is pulled.", words=PULLS)
_ABORT: Final = flag("abort_on_failure", "false: the pipeline goes on when it fails.")
_SKIP: Final = flag("skip", "true: it is passed over, if it can be.")
_SIZE: Final = text("runtimeClassName", "The size of IBM's machine. Means nothing here.")
_MACHINES: Final = (
    *("small", "medium", "large", "x86-large", "x86-xlarge", "x86-xxlarge"),
    *("s390x-small", "s390x-medium", "s390x-large", "s390x-xlarge", "s390x-xxlarge"),
)
_MACHINE: Final = text("runtimeClassName", "The size of IBM's machine. Means nothing here.", words=_MACHINES)
_TITLE: Final = text("displayName", "What IBM's pages call it. Means nothing here.")
_WHEN: Final = text("when", "A condition in CEL; without it, or when it is true, it runs.")
_TIMEOUT: Final = text("timeout", "How long it may take: 60s, 5m, 1h30m.", pattern=_DURATION)
_ON_ERROR: Final = text("onError", "What a failure means: stopAndFail, or continue.", words=ON_ERROR)

STAGE: Final = Kind(
    name="stage",
    keys=(
        _IMAGE,
        _SCRIPT,
        _DIND,
        text("dind_image", "The image of that Docker; else the property dind-image, else docker:dind."),
        _ABORT,
        _PULL,
        text("configmap", "Its keys are files of /config: the properties NAME/KEY; $PROP is a name in a property."),
        text("secret", "The same, of secure properties."),
        text("runAfter", "One further stage that it waits for."),
        _SKIP,
        _SIZE,
    ),
)
VERSION_1: Final = Kind(
    name="pipeline of version 1",
    keys=(
        text(VERSION, "The version of the format: '1'.", pattern="^1$"),
        text(PREPROCESSOR, "For IBM's v11 pipelines. Means nothing here."),
        *(Key(name=name, form=Form.MAP, about=f"The stage {name}.", kind=STAGE) for name in known_names()),
    ),
    others=STAGE,
)
STEP: Final = Kind(
    name="step",
    keys=(
        text("name", "Which step of the task it is.", required=True),
        _IMAGE,
        _SCRIPT,
        _ON_ERROR,
        _WHEN,
        _TIMEOUT,
        _names("include", "docker-socket: it may use the task's Docker; rootful-podman: it runs privileged."),
        *(_DIND, _PULL, _ABORT, _SKIP),
        _TITLE,
        _SIZE,
        _names("runAfter", "Means nothing on a step."),
    ),
)
TASK: Final = Kind(
    name="task",
    keys=(
        Key(name="steps", form=Form.LIST, about="What its steps do.", kind=STEP),
        _names("runAfter", "Further tasks that it waits for."),
        _WHEN,
        text("from", "The task that it is a further one of, and runs beside."),
        _TIMEOUT,
        _names("include", "dind: Docker for those of its steps that include docker-socket; podman."),
        _ON_ERROR,
        _TITLE,
        _MACHINE,
    ),
)
VERSION_2: Final = Kind(
    name="pipeline of version 2",
    keys=(
        text(VERSION, "The version of the format: '2'.", pattern="^2$", required=True),
        text(PREPROCESSOR, "For IBM's v11 pipelines. Means nothing here."),
        Key(name=TASKS, form=Form.NAMED, about="What tasks of pipelines do, by their names.", kind=TASK),
        Key(name=FINALLY, form=Form.NAMED, about="Tasks that run at the end, whatever has happened.", kind=TASK),
    ),
)
