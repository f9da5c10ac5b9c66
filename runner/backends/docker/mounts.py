"""The volumes of a run beside its workspaces, and where its steps and sandboxes see them.

The engine makes each, with its labels, together with the first container that mounts it, which is the run's first
sandbox; so they cost no call of their own. Two are memory, which lasts as long as a running container mounts them: the
sandboxes do. A step that is made later mounts them in the same words, for an engine takes what is there.
"""

from pathlib import PurePosixPath

from docker.types import DriverConfig, Mount

from runner import naming
from runner.backends.docker.answers import MARKS_FOLDER
from runner.engine.backend import RunSpec, StepSpec
from runner.naming import Instance
from runner.pipelinectl import bundle
from runner.pipelinectl.layout import CONFIG, HOME, SECRETS, STATE

MARKS = f"{STATE}/{MARKS_FOLDER}"
"""The directory where gates leave their marks."""

OUTPUTS = "/run/outputs"
"""Where sandboxes see the run's outputs, if it has some; steps see them elsewhere."""

# Secrets are written by steps of every user. What the configuration holds is put there by the sandbox, which opens it.
_SECRETS_OPTIONS = "mode=0777,size=64m,nosuid,nodev,noexec"
_CONFIG_OPTIONS = "mode=0700,size=64m,nosuid,nodev,noexec"


def values(instance: Instance, run: str) -> Mount:
    """Return the mount of what the steps of a run hand on."""
    return _mount(instance, run, STATE, "v", "values")


def of_step(instance: Instance, run: RunSpec, step: StepSpec) -> tuple[Mount, ...]:
    """Return what a step sees besides its workspace; a service nothing of it.

    Where it mounts something at or below ``CONFIG`` itself, it sees none of ours.
    """
    if not step.workspace:
        return (values(instance, run.id),) if step.commands else ()
    own = (*(bind.target for bind in step.volumes), *(cache.path for cache in step.caches))
    hidden = any(PurePosixPath("/", target.lstrip("/")).is_relative_to(CONFIG) for target in own)
    return (
        values(instance, run.id),
        _secrets(instance, run),
        _shim(instance, read_only=True),
        *([_config(instance, run, read_only=True)] if run.config and not hidden else ()),
        *([_mount(instance, run.id, run.outputs, "o", "outputs")] if run.outputs else ()),
    )


def of_sandbox(instance: Instance, run: RunSpec) -> tuple[Mount, ...]:
    """Return what a sandbox sees: it fills what steps only read."""
    return (
        values(instance, run.id),
        _secrets(instance, run),
        _shim(instance, read_only=False),
        *([_config(instance, run, read_only=False)] if run.config else ()),
        *([_mount(instance, run.id, OUTPUTS, "o", "outputs")] if run.outputs else ()),
    )


def _secrets(instance: Instance, run: RunSpec) -> Mount:
    return _mount(instance, run.id, SECRETS, "k", "secrets", memory=_SECRETS_OPTIONS)


def _config(instance: Instance, run: RunSpec, *, read_only: bool) -> Mount:
    return _mount(instance, run.id, CONFIG, "p", "configuration", memory=_CONFIG_OPTIONS, read_only=read_only)


def _shim(instance: Instance, *, read_only: bool) -> Mount:
    name, labels = naming.shim_volume(instance, bundle.digest()), naming.shim_labels(instance, bundle.digest())
    return Mount(HOME, name, type="volume", no_copy=True, read_only=read_only, labels=labels)


def _mount(  # noqa: PLR0913 - each is named at the call
    instance: Instance, run: str, target: str, what: str, role: str, *, memory: str = "", read_only: bool = False
) -> Mount:
    options = {"type": "tmpfs", "device": "tmpfs", "o": memory} if memory else {}
    return Mount(
        target,
        naming.volume(run, what),
        type="volume",
        no_copy=True,
        read_only=read_only,
        labels=naming.labels(instance, naming.Address(run), role),
        driver_config=DriverConfig("local", options),
    )
