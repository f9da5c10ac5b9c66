"""The options that say what of a pipeline is wanted, and the plan that comes of them."""

from collections.abc import Iterable
from dataclasses import dataclass

from runner.cli import options
from runner.cli.trigger import Subject
from runner.dialects.findings import nearest
from runner.errors import UsageError
from runner.plan.adjust import Choice, Replacement, adjust
from runner.plan.model import Plan, Workspace

_PLAIN = "yaml"
_RENDERED = ("go", "golang", "starlark")
_KINDS = ("ci", "cd", "pr", "cc")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How a file is read, and what is wanted of its plan; ``kind`` is what scripts are told of it, or empty."""

    dialect: str
    kind: str
    strict: bool
    choice: Choice

    def plan(self, subject: Subject) -> Plan:
        """Compile a pipeline into the plan that is wanted.

        Raises:
            InvalidPipelineError: with everything that is wrong in it.
            UsageError: there is no such dialect, stage or step.
        """
        from runner.dialects.text import to_plan  # noqa: PLC0415 - --help and completion do without it

        file = str(subject.file)
        plan = to_plan(subject.content, file, subject.trigger, dialect=self.dialect, strict=self.strict)
        return adjust(plan, self.choice, nearest)


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
    pipeline_type: options.PipelineType = _PLAIN,
    strict: options.Strict = False,
) -> Wanted:
    """Return what the options say.

    Raises:
        UsageError: an image cannot be read, or the file is to be of a type that cannot.
    """
    kind = _kind(pipeline_type)
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


def _kind(name: str) -> str:
    """Return the kind of pipeline that a type names; Vela's name for a file that needs no rendering names none."""
    supported = f"supported: {', '.join(_KINDS)} and {_PLAIN}"
    if name in _RENDERED:
        raise UsageError(f"--pipeline-type {name}: such pipelines are not supported yet", hint=supported)
    if name not in (_PLAIN, *_KINDS):
        raise UsageError(f"--pipeline-type {name}: there is no such type", hint=supported)
    return "" if name == _PLAIN else name


def _read_images(texts: Iterable[str]) -> tuple[Replacement, ...]:
    found: list[Replacement] = []
    for text in texts:
        pattern, _, image = text.partition("=")
        if not pattern or not image:
            raise UsageError(f"--image {text}: not OLD=NEW", hint="for example --image golang=golang:1.24")
        found.append(Replacement(pattern=pattern, image=image))
    return tuple(found)
