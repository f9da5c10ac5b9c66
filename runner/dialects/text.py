"""From the text of a pipeline and the reason for a run to a plan: the one way, whoever asks."""

from dataclasses import replace
from typing import Final

from runner.dialects.detect import Dialect, detect
from runner.dialects.source import Findings, Node, load
from runner.errors import Finding, InvalidPipelineError, Place, Severity
from runner.plan.model import Plan
from runner.plan.trigger import Trigger
from runner.records import record

_ACTION: Final = b"{{"
"""How an action of Go's text/template begins; in YAML that can be read it only stands in quotes."""


@record
class Examined:
    """What a text turned out to be: its findings in the order of the file, and the plan if none is an error."""

    findings: tuple[Finding, ...]
    plan: Plan | None = None


def examine(content: bytes, file: str, trigger: Trigger | None, *, dialect: str = "") -> Examined:
    """Compile a pipeline and say everything that is wrong in it; ``file`` is its name in messages.

    Without a ``trigger`` it is not to run: rules keep everything, and all of it must be right. An empty ``dialect`` is
    found out from the content.

    Raises:
        UsageError: there is no such dialect, or no such kind of pipeline.
    """
    findings = Findings()
    try:
        root = load(content, file, findings)
    except InvalidPipelineError as error:
        return Examined(findings=_template(content, file) or error.findings)
    try:
        plan = _compile(detect(root, dialect), root, trigger, findings)
    except InvalidPipelineError as error:
        return Examined(findings=error.findings)
    found = tuple(sorted(findings.items))
    return Examined(findings=found, plan=replace(plan, warnings=tuple(map(str, found))))


def _compile(dialect: Dialect, root: Node, trigger: Trigger | None, findings: Findings) -> Plan:
    """Compile a loaded document; nobody waits for the compiler of another dialect."""
    match dialect:
        case Dialect.IBM:
            from runner.dialects.ibm.compiler import compile_pipeline as of_ibm  # noqa: PLC0415 - see above

            return of_ibm(root, trigger, findings)
        case Dialect.METALUS:
            from runner.dialects.metalus.compiler import compile_pipeline as of_metalus  # noqa: PLC0415 - see above

            return of_metalus(root, trigger, findings)
        case Dialect.VELA:
            from runner.dialects.vela.compiler import compile_pipeline as of_vela  # noqa: PLC0415 - see above

            return of_vela(root, trigger, findings)


def _template(content: bytes, file: str) -> tuple[Finding, ...]:
    """Say once that a text is a template, where YAML would only stumble over each of its braces."""
    before, found, _ = content.partition(_ACTION)
    if not found:
        return ()
    place = Place(file=file, line=before.count(b"\n") + 1, column=len(before) - before.rfind(b"\n"))
    hint = "render it first; with Vela's own command: `vela validate pipeline --pipeline-type go`"
    return (
        Finding(place=place, message="this is a Go template, which becomes a pipeline when it is rendered", hint=hint),
    )


def to_plan(content: bytes, file: str, trigger: Trigger, *, dialect: str = "", strict: bool = False) -> Plan:
    """Compile a pipeline, as ``examine``.

    Raises:
        InvalidPipelineError: with everything that is wrong; with ``strict``, warnings too.
        UsageError: there is no such dialect.
    """
    examined = examine(content, file, trigger, dialect=dialect)
    if examined.plan is None or (strict and examined.findings):
        severity = Severity.ERROR
        raise InvalidPipelineError(replace(f, severity=severity) if strict else f for f in examined.findings)
    return examined.plan
