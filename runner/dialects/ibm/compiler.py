"""An IBM document and the reason for a run to a plan."""

from collections.abc import Callable
from typing import Final

from runner.dialects.findings import Findings, quoted
from runner.dialects.ibm.drafts import Context, Draft
from runner.dialects.ibm.keys import FINALLY, TASKS, VERSION
from runner.dialects.ibm.overlay import draft_tasks
from runner.dialects.ibm.pipelines import KINDS, kind_of
from runner.dialects.ibm.stages import draft_stages, read_stages
from runner.dialects.ibm.written import read_tasks
from runner.dialects.nodes import Mapping, Node, Scalar
from runner.errors import Finding, InvalidPipelineError, Severity
from runner.plan.model import Plan
from runner.plan.trigger import Trigger
from runner.records import record

HOME: Final = "/workspace/app"
"""``WORKSPACE``, which all stages share in IBM's pipelines."""

_REPOSITORY: Final = "app"
_STAGES, _TASKS = _VERSIONS = ("1", "2")
_VERSION_HINT: Final = "write version: '1', or '2' for a file of tasks"
_PLAIN: Final = {"PIPELINE_STATUS": ""}
"""What only the last stage hears is empty elsewhere: scripts may run under ``set -u``."""

_Compile = Callable[[Context], Draft]


@record
class _Outcome:
    """What came of a file for one kind of pipeline; without a draft it is wrong for that."""

    kind: str
    findings: tuple[Finding, ...]
    draft: Draft | None


def compile_pipeline(root: Node, trigger: Trigger | None, findings: Findings) -> Plan:
    """Return the plan of a loaded file. ``findings`` are those of the loader; what is found here is added.

    The kind of pipeline is that of the trigger. Without a trigger it is not to run: it must be right for one kind at
    least, and what is wrong for others is a warning.

    Raises:
        InvalidPipelineError: with all findings, when one is an error.
        UsageError: there is no such kind of pipeline.
    """
    if not isinstance(root, Mapping):
        findings.fail(root.place, "a pipeline is a map", "write version: '1', and stages with their scripts")
    compile_ = _reader(root, _read_version(root, findings))
    if trigger is None:
        kind, draft = _for_any(compile_, root, findings)
    else:
        kind = kind_of(trigger)
        draft = compile_(Context(kind=kind, trigger=trigger, findings=findings, file=root.place.file))
    findings.raise_if_errors()
    return _plan(kind, draft, trigger or Trigger())


def _read_version(root: Mapping, findings: Findings) -> str:
    value = root.get(VERSION)
    if value is None or (isinstance(value, Scalar) and value.is_null):
        meant = _TASKS if {TASKS, FINALLY} & set(root.keys()) else _STAGES
        findings.warning(root.place, f"the file has no version, and is taken for version {meant}", _VERSION_HINT)
        return meant
    text = value.text if isinstance(value, Scalar) else ""
    if text not in _VERSIONS:
        findings.fail(value.place, f"there is no version {quoted(text)} of such files", _VERSION_HINT)
    return text


def _reader(root: Mapping, version: str) -> _Compile:
    """Return what makes a draft of a file for a kind; it reads the file anew, so that findings are of that kind."""
    if version == _TASKS:
        return lambda context: draft_tasks(read_tasks(root, context.findings), context)
    return lambda context: draft_stages(read_stages(root, context.findings), context)


def _for_any(compile_: _Compile, root: Mapping, findings: Findings) -> tuple[str, Draft]:
    """Return what a file comes to for the first kind of pipeline that it is right for, and find what is wrong."""
    outcomes = [_outcome(compile_, kind, root.place.file) for kind in KINDS]
    good = next((outcome for outcome in outcomes if outcome.draft is not None), None)
    everywhere = set.intersection(*(set(outcome.findings) for outcome in outcomes))
    for outcome in outcomes:
        for finding in outcome.findings:
            fatal = good is None and finding.severity is Severity.ERROR
            record = findings.error if fatal else findings.warning
            where = "" if finding in everywhere else f"in a {outcome.kind} pipeline: "
            record(finding.place, f"{where}{finding.message}", finding.hint)
    findings.raise_if_errors()
    if good is None or good.draft is None:
        raise AssertionError("what is right for no kind of pipeline has an error")
    return good.kind, good.draft


def _outcome(compile_: _Compile, kind: str, file: str) -> _Outcome:
    own = Findings()
    try:
        draft = compile_(Context(kind=kind, trigger=None, findings=own, file=file))
        own.raise_if_errors()
    except InvalidPipelineError as error:
        return _Outcome(kind=kind, findings=error.findings, draft=None)
    return _Outcome(kind=kind, findings=own.items, draft=draft)


def _plan(kind: str, draft: Draft, trigger: Trigger) -> Plan:
    name = trigger.repository.name.rstrip("/").rpartition("/")[2]
    workdir = f"{HOME}/{_REPOSITORY if name in ('', '.', '..') else name}"
    return Plan(
        dialect="ibm",
        kind=kind,
        stages=draft.stages,
        undefined=draft.undefined,
        async_stages=draft.async_stages,
        services=draft.services,
        pruned=draft.pruned,
        facts=trigger.facts,
        home=HOME,
        workdir=workdir,
        environment=_PLAIN,
    )
