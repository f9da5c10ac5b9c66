"""A Vela document and the facts of a run to a plan."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from runner.dialects.source import Findings, Mapping, Node, nearest, quoted
from runner.dialects.vela.environment import read_environment
from runner.dialects.vela.fields import Fields
from runner.dialects.vela.keys import METADATA, check_keys, check_top_level
from runner.dialects.vela.prune import prune
from runner.dialects.vela.secrets import read_secrets
from runner.dialects.vela.stages import WrittenStage, read_stages
from runner.dialects.vela.steps import read_services
from runner.errors import InvalidPipelineError, Severity
from runner.plan import graph
from runner.plan.graph import Named
from runner.plan.model import Facts, Plan

HOME: Final = "/vela"
WORKDIR: Final = "/vela/src"
_VERSION_HINT: Final = "write version: '1' at the top"
_RECEIVERS: Final = ("steps", "services", "secrets")


def compile_pipeline(root: Node, facts: Facts, findings: Findings, *, strict: bool = False) -> Plan:
    """Return the plan of a loaded pipeline.

    ``findings`` are those of the loader; its warnings and those made here become the plan's.

    Raises:
        InvalidPipelineError: with all findings, when one is an error, or a warning and ``strict`` is set.
    """
    if not isinstance(root, Mapping):
        findings.fail(root.place, "a pipeline is a map", _VERSION_HINT)
    pipeline = Fields(root, "the pipeline", findings)
    check_top_level(root, findings)
    _check_version(pipeline)
    receivers = _read_receivers(pipeline)
    environment = read_environment(pipeline)
    services = read_services(pipeline, environment if "services" in receivers else {})
    stages = read_stages(pipeline, environment if "steps" in receivers else {})
    secrets = read_secrets(pipeline)
    _check_needs(stages, findings)
    _check_secrets((use for stage in stages for step in stage.steps for use in step.secrets), secrets, findings)
    kept = prune(stages, services, facts, findings)
    return Plan(
        dialect="vela",
        stages=kept.stages,
        services=kept.services,
        secrets=secrets,
        facts=facts,
        home=HOME,
        workdir=WORKDIR,
        pruned=kept.pruned,
        warnings=_conclude(findings, strict=strict),
    )


def _check_version(pipeline: Fields) -> None:
    version = pipeline.required("version", _VERSION_HINT)
    if version == "legacy":
        pipeline.findings.error(pipeline.place("version"), "the version 'legacy' is no more", _VERSION_HINT)


def _read_receivers(pipeline: Fields) -> tuple[str, ...]:
    """Return which kinds of containers receive the global environment: all of them, unless the metadata says less."""
    node = pipeline.mapping("metadata")
    if node is None:
        return _RECEIVERS
    fields = Fields(node, "the metadata", pipeline.findings)
    check_keys(node, METADATA, fields.what, fields.findings)
    if fields.value("environment") is None:
        return _RECEIVERS
    kinds = fields.scalars("environment")
    for kind in kinds:
        if kind.text not in _RECEIVERS:
            message = f"'environment' of the metadata names {quoted(kind.text)}"
            fields.findings.warning(kind.place, message, f"it can name {', '.join(_RECEIVERS)}")
    return tuple(kind.text for kind in kinds)


def _check_needs(stages: Sequence[WrittenStage], findings: Findings) -> None:
    for finding in graph.check([stage.node for stage in stages], nearest):
        record = findings.error if finding.severity is Severity.ERROR else findings.warning
        record(finding.place, finding.message, finding.hint)


def _check_secrets(uses: Iterable[Named], declared: Sequence[str], findings: Findings) -> None:
    """Warn of secrets that no ``secrets`` at the top declares: Vela's steps silently do without them."""
    for use in uses:
        if use.name not in declared:
            near = nearest(use.name, declared)
            hint = f"did you mean {near!r}?" if near else "declare it under 'secrets' at the top"
            findings.warning(use.place, f"the secret {quoted(use.name)} is not declared", hint)


def _conclude(findings: Findings, *, strict: bool) -> tuple[str, ...]:
    """Return the warnings in the order of the file, unless something is an error."""
    findings.raise_if_errors()
    if strict and findings.items:
        raise InvalidPipelineError(replace(finding, severity=Severity.ERROR) for finding in findings.items)
    return tuple(str(finding) for finding in sorted(findings.items))
