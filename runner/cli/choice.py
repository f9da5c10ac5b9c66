"""The options that say what of a pipeline is wanted."""

from collections.abc import Iterable

from runner.cli import options
from runner.dispatch.wanted import Wanted
from runner.errors import UsageError
from runner.plan.adjust import Choice, Replacement
from runner.plan.model import Workspace

PLAIN = "yaml"
_RENDERED = ("go", "golang", "starlark")


def wanted(  # noqa: PLR0913 - one parameter an option
    *,
    stage: options.StageName = None,
    needs: options.Needs = False,
    step: options.StepName = None,
    skip_step: options.SkippedStep = None,
    image: options.Image = None,
    pull: options.Pull = None,
    workspace: options.WorkspaceSharing = None,
    dialect: options.DialectName = "",
    pipeline_type: options.PipelineType = PLAIN,
    strict: options.Strict = False,
) -> Wanted:
    """Return what the options say.

    Raises:
        UsageError: an image cannot be read, or the file is to be of a type that cannot.
    """
    kind = kind_of(pipeline_type)
    choice = Choice(
        stages=tuple(stage or ()),
        steps=tuple(step or ()),
        needs=needs,
        skipped=tuple(skip_step or ()),
        images=_read_images(image or ()),
        pull=pull,
        workspace=None if workspace is None else Workspace(workspace),
    )
    return Wanted(dialect=dialect, kind=kind, strict=strict, choice=choice)


def kind_of(name: str) -> str:
    """Return the kind of pipeline that a type names; Vela's name for a file that needs no rendering names none.

    Raises:
        UsageError: there is no such type.
    """
    if name == PLAIN:
        return ""
    from runner.dialects.ibm.pipelines import KINDS  # noqa: PLC0415 - most pipelines are of no type

    supported = f"supported: {', '.join(KINDS)} and {PLAIN}"
    if name in _RENDERED:
        raise UsageError(f"--pipeline-type {name}: such pipelines are not supported yet", hint=supported)
    if name not in KINDS:
        raise UsageError(f"--pipeline-type {name}: there is no such type", hint=supported)
    return name


def _read_images(texts: Iterable[str]) -> tuple[Replacement, ...]:
    found: list[Replacement] = []
    for text in texts:
        pattern, _, image = text.partition("=")
        if not pattern or not image:
            raise UsageError(f"--image {text}: not OLD=NEW", hint="for example --image golang=golang:1.24")
        found.append(Replacement(pattern=pattern, image=image))
    return tuple(found)
