"""The volumes of a run beside its workspaces, and where its steps and sandboxes see them.

The engine makes each, with its labels, together with the first container that mounts it, which is the run's first
sandbox; so they cost no call of their own. Two are memory, which lasts as long as a running container mounts them: the
sandboxes do. A step that is made later mounts them in the same words, for an engine takes what is there.
"""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, cast

from runner import naming
from runner.backends.docker.script import MARKS_FOLDER, SCRIPTS_FOLDER
from runner.naming import Address, Instance
from runner.pipelinectl import bundle
from runner.pipelinectl.layout import CONFIG, HOME, SECRETS, STATE

if TYPE_CHECKING:
    from docker.types import Mount

    from runner.engine.specs import RunSpec, StepSpec

MARKS = f"{STATE}/{MARKS_FOLDER}"
"""The directory where gates leave their marks."""

SCRIPTS = f"{STATE}/{SCRIPTS_FOLDER}"
"""The directory of the scripts of steps, which root alone can change."""

OUTPUTS = "/run/outputs"
"""Where sandboxes see the run's outputs; steps see them elsewhere, if the run has such."""

# Secrets are written by steps of every user. What the configuration holds is put there by the sandbox, which opens it.
_SECRETS_OPTIONS = "mode=0777,size=64m,nosuid,nodev,noexec"
_CONFIG_OPTIONS = "mode=0700,size=64m,nosuid,nodev,noexec"
# That of one attempt is filled while nothing of the user's runs there.
_OWN_CONFIG_OPTIONS = "mode=0755,size=64m,nosuid,nodev,noexec"


def values(instance: Instance, run: str) -> "Mount":
    """Return the mount of what the steps of a run hand on."""
    return _mount(instance, Address(run), STATE, "v", "values")


def of_step(instance: Instance, run: "RunSpec", step: "StepSpec") -> "tuple[Mount, ...]":
    """Return what a step sees besides its workspace; a service nothing of it.

    Where it mounts something at or below ``CONFIG`` itself, it sees none of ours.
    """
    if not step.workspace:
        return (values(instance, run.id),) if step.commands or step.script else ()
    return (
        values(instance, run.id),
        _secrets(instance, run.id),
        _shim(instance, read_only=True),
        *_config_of(instance, run, step),
        *([_mount(instance, run.address, run.outputs, "o", "outputs")] if run.outputs else ()),
    )


def _config_of(instance: Instance, run: "RunSpec", step: "StepSpec") -> "tuple[Mount, ...]":
    """Return the configuration that a step sees: the run's, or one of its own, which is written to in its container."""
    targets = (*(bind.target for bind in step.volumes), *(cache.path for cache in step.caches))
    if any(PurePosixPath("/", target.lstrip("/")).is_relative_to(CONFIG) for target in targets):
        return ()
    if step.own_config:
        return (_mount(instance, step.address, CONFIG, "p", "configuration", memory=_OWN_CONFIG_OPTIONS),)
    return (_config(instance, run.id, read_only=True),) if run.config else ()


def of_sandbox(instance: Instance, run: str) -> "tuple[Mount, ...]":
    """Return what a sandbox sees: it fills what steps only read. That is the same whatever the plan has."""
    return (
        values(instance, run),
        _secrets(instance, run),
        _shim(instance, read_only=False),
        _config(instance, run, read_only=False),
        _mount(instance, Address(run), OUTPUTS, "o", "outputs"),
    )


def _secrets(instance: Instance, run: str) -> "Mount":
    return _mount(instance, Address(run), SECRETS, "k", "secrets", memory=_SECRETS_OPTIONS)


def _config(instance: Instance, run: str, *, read_only: bool) -> "Mount":
    return _mount(instance, Address(run), CONFIG, "p", "configuration", memory=_CONFIG_OPTIONS, read_only=read_only)


def _shim(instance: Instance, *, read_only: bool) -> "Mount":
    name, labels = naming.shim_volume(instance, bundle.digest()), naming.shim_labels(instance, bundle.digest())
    return _volume(HOME, name, labels, read_only=read_only)


def _mount(  # noqa: PLR0913 - each is named at the call
    instance: Instance, owner: Address, target: str, what: str, role: str, *, memory: str = "", read_only: bool = False
) -> "Mount":
    """Mount the volume of a run, or of one attempt."""
    options = {"Options": {"type": "tmpfs", "device": "tmpfs", "o": memory}} if memory else {}
    name = naming.of_attempt(owner, what) if owner.step else naming.volume(owner.run, what)
    driver = {"Name": "local", **options}
    return _volume(target, name, naming.labels(instance, owner, role), read_only=read_only, DriverConfig=driver)


def _volume(target: str, name: str, labels: Mapping[str, str], *, read_only: bool, **options: object) -> "Mount":
    """Return a mount as the SDK would make it: nobody who makes a sandbox waits until that is imported."""
    made = {"NoCopy": True, "Labels": labels, **options}
    mount = {"Target": target, "Source": name, "Type": "volume", "ReadOnly": read_only, "VolumeOptions": made}
    return cast("Mount", mount)
