"""What steps may do on the host because somebody on it allows it: run privileged, see its paths.

A pipeline alone can have neither, since it is somebody else's text. As in Vela, what is granted also applies: an image
that may be privileged is, and a granted path is mounted into every step.
"""

import os.path
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from runner.errors import UsageError
from runner.naming import ORIGINS
from runner.plan import mapping
from runner.plan.images import fits
from runner.plan.match import BadPatternError, check
from runner.plan.model import Bind, Matcher, Plan, Service, Stage, Step
from runner.records import record

PRIVILEGED_OPTION = "--privileged-image"
PRIVILEGED_SETTING = "RUNNER_PRIVILEGED_IMAGES"
VOLUME_OPTION = "--volume"
VOLUME_SETTING = "RUNNER_VOLUMES"

_MODES = ("ro", "rw")
_MOST_PARTS = 3


@record
class Grants:
    """Patterns of images that run privileged (``plan.images``), and paths that every step sees.

    The sources of ``volumes`` are real paths: no link is left in them.
    """

    images: tuple[str, ...] = ()
    volumes: tuple[Bind, ...] = ()

    @classmethod
    def read(cls, images: Iterable[str], volumes: Iterable[str]) -> "Grants":
        """Read patterns, and volumes as ``SRC[:DST[:MODE]]`` (DST is SRC, MODE is ``ro``, as for ``vela exec``).

        Raises:
            UsageError: one of them cannot be read.
        """
        patterns = tuple(images)
        for pattern in patterns:
            try:
                check(Matcher.FILEPATH, pattern)
            except BadPatternError as error:
                raise UsageError(f"{PRIVILEGED_OPTION}: the pattern {error}", hint=error.hint) from error
        return cls(images=patterns, volumes=tuple(map(_read_volume, volumes)))


def grant(plan: Plan, grants: Grants, taken: Iterable[str] = ()) -> Plan:
    """Return the plan with what is granted; ``taken`` are directories that every step sees, and needs.

    Raises:
        UsageError: a step or service asks for what is not; the message names it, and what would allow it. Or a path
            would be mounted where the workspace is, or where one of ``taken`` is.
    """
    _check_targets(plan, grants, tuple(map(PurePosixPath, taken)))
    refused = _refused(plan, grants)
    stages = (*plan.stages, *plan.async_stages)
    for bind in (*grants.volumes, *(bind for stage in stages for step in stage.steps for bind in step.volumes)):
        if PurePosixPath(bind.target) in map(PurePosixPath, (plan.home, plan.workdir, plan.outputs)):
            hint = "mount it below; another directory becomes the workspace with --source"
            raise UsageError(f"a volume at {bind.target} would hide the workspace", hint=hint)
    return replace(
        plan,
        origins=tuple(_grant_step(origin, f"{ORIGINS}/{origin.name}", grants) for origin in plan.origins),
        services=tuple(
            replace(each, privileged=False) if each.name in refused else _grant_service(each, grants)
            for each in plan.services
        ),
        stages=tuple(_grant_stage(stage, grants) for stage in plan.stages),
        async_stages=tuple(_grant_async(stage, grants, refused) for stage in plan.async_stages),
    )


def _refused(plan: Plan, grants: Grants) -> dict[str, str]:
    """Return the services that only async stages need and that are not allowed, with why."""
    found: dict[str, str] = {}
    for service in plan.services:
        if service not in plan.needed_services:
            try:
                _grant_service(service, grants)
            except UsageError as error:
                found[service.name] = f"{error.message} ({error.hint})"
    return found


def _grant_async(stage: Stage, grants: Grants, refused: Mapping[str, str]) -> Stage:
    """Return an async stage as ``_grant_stage``; what is not allowed makes it fail, if anybody starts it."""
    faults = [refused[name] for name in stage.services if name in refused]
    return replace(_grant_stage(stage, grants), fault=stage.fault or next(iter(faults), ""))


def _grant_stage(stage: Stage, grants: Grants) -> Stage:
    return replace(stage, steps=tuple(_grant_step(step, f"{stage.name}/{step.name}", grants) for step in stage.steps))


def _check_targets(plan: Plan, grants: Grants, taken: tuple[PurePosixPath, ...]) -> None:
    """See that no mount of a step hides one of these directories, or what is in it."""
    stages = (*plan.stages, *plan.async_stages)
    steps = (*plan.origins, *(step for stage in stages for step in stage.steps))
    targets = [bind.target for bind in (*grants.volumes, *(bind for step in steps for bind in step.volumes))]
    targets += [cache.path for step in steps for cache in step.caches]
    for target in targets:
        path = PurePosixPath("/", os.path.normpath(PurePosixPath(plan.workdir) / target).lstrip("/"))
        for other in taken:
            if other.is_relative_to(path) or path.is_relative_to(other):
                hint = "choose another path in the container"
                raise UsageError(f"a volume or cache at {target} would be in the way of {other}", hint=hint)


def _grant_step(step: Step, path: str, grants: Grants) -> Step:
    # The name of an image that a variable is put into later, or a reference, is not known yet: it could become any.
    later = (step.late and "$" in step.image) or (step.pipeline and mapping.is_mapped(step.image))
    images = () if later else grants.images
    own = tuple(_allowed(bind, path, grants.volumes) for bind in step.volumes)
    taken = {bind.target for bind in own}
    return replace(
        step,
        privileged=_privileged(step, f"the step {path}", images),
        volumes=(*(bind for bind in grants.volumes if bind.target not in taken), *own),
    )


def _grant_service(service: Service, grants: Grants) -> Service:
    return replace(service, privileged=_privileged(service, f"the service {service.name}", grants.images))


def _privileged(container: Step | Service, what: str, patterns: Iterable[str]) -> bool:
    granted = any(fits(pattern, container.image) for pattern in patterns)
    if container.privileged and not granted:
        raise UsageError(
            f"{what} wants to be privileged, which makes it root of this machine",
            hint=f"to allow it: {PRIVILEGED_OPTION} {container.image}, or the setting {PRIVILEGED_SETTING}",
        )
    return granted


def _allowed(bind: Bind, path: str, granted: Iterable[Bind]) -> Bind:
    """Return a step's own volume with its real source."""
    wants = f"the step {path} wants to {'see' if bind.read_only else 'write'} {bind.source} of this machine"
    if not bind.source.startswith("/"):
        raise UsageError(wants, hint="a source is an absolute path: begin it with '/'")
    source = Path(os.path.realpath(bind.source))
    around = [each for each in granted if source.is_relative_to(each.source)]
    writable = [each for each in around if not each.read_only]
    if any(Path(each.source) != source for each in writable):
        # One step could put a link in the place of what another mounts.
        raise UsageError(f"{wants}, which is below {writable[0].source}, where steps may write", hint="mount that")
    if not around or not (bind.read_only or writable):
        asked = f"{source}:{bind.target}" + ("" if bind.read_only else ":rw")
        raise UsageError(wants, hint=f"to allow it: {VOLUME_OPTION} {asked}, or the setting {VOLUME_SETTING}")
    return replace(bind, source=str(source))


def _read_volume(text: str) -> Bind:
    parts = text.split(":")
    mode = parts[_MOST_PARTS - 1] if len(parts) == _MOST_PARTS else _MODES[0]
    if len(parts) > _MOST_PARTS or not all(parts) or mode not in _MODES:
        raise UsageError(f"the volume {text!r} cannot be read", hint="write SRC, SRC:DST, or SRC:DST:ro or rw")
    source = parts[0]
    if "/" not in source and source not in (os.curdir, os.pardir):
        raise UsageError(f"the volume {text!r} begins with a name, not a path", hint=f"write ./{text}")
    target = parts[1] if len(parts) > 1 else os.path.abspath(source)  # noqa: PTH100 - `resolve` would follow links
    if not target.startswith("/"):
        raise UsageError(f"the volume {text!r} has a relative destination", hint="begin it with '/'")
    return Bind(source=os.path.realpath(source), target=target, read_only=mode == _MODES[0])
