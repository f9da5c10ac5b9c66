"""A Vela document and the reason for a run to a plan."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from runner.dialects.source import Findings, Mapping, Node, quoted
from runner.dialects.vela import defaults
from runner.dialects.vela.branches import check_references, with_branches
from runner.dialects.vela.deployment import check_deployment
from runner.dialects.vela.environment import Scope
from runner.dialects.vela.executions import is_mapped
from runner.dialects.vela.fields import Fields
from runner.dialects.vela.keys import PIPELINE
from runner.dialects.vela.origins import read_origins
from runner.dialects.vela.prune import prune
from runner.dialects.vela.secrets import read_secrets
from runner.dialects.vela.stages import WrittenStage, read_stages
from runner.dialects.vela.steps import read_services
from runner.dialects.vela.unknown import check_top_level
from runner.errors import Severity
from runner.plan import graph
from runner.plan.graph import Named
from runner.plan.model import Plan
from runner.plan.trigger import Trigger

_LIKE: Final = 0.8  # names of secrets are alike without being slips: docker_password, vault_password
_VERSION_HINT: Final = "write version: '1' at the top"
_RECEIVERS: Final = ("steps", "services", "secrets")


def compile_pipeline(root: Node, trigger: Trigger | None, findings: Findings) -> Plan:
    """Return the plan of a loaded pipeline. ``findings`` are those of the loader; what is found here is added.

    Without a ``trigger`` it is not to run: nothing is pruned, and what a run would make known stays open.

    Raises:
        InvalidPipelineError: with all findings, when one is an error.
    """
    if not isinstance(root, Mapping):
        findings.fail(root.place, "a pipeline is a map", "write its keys, such as version: '1' and steps:")
    pipeline = Fields(root, "the pipeline", findings, PIPELINE)
    check_top_level(root, PIPELINE, findings)
    _check_version(pipeline)
    pipeline.text("name")  # means nothing yet, and must still be one
    facts, variables = (trigger or Trigger()).facts, defaults.of_run(trigger or Trigger(), defaults.WORKDIR)
    scopes = _scopes(pipeline, trigger, variables)
    services = read_services(pipeline, scopes["services"])
    stages = with_branches(read_stages(pipeline, scopes["steps"]), findings)
    declared, origins = read_secrets(pipeline), read_origins(pipeline, scopes["secrets"])
    _check_needs(stages, findings)
    if scopes["steps"].mapped:
        check_references(stages, findings)
    uses = [use for stage in stages for step in stage.steps for use in step.secrets]
    uses += [use for origin in origins for use in origin.secrets]
    _check_secrets(uses, frozenset(declared), findings)
    check_deployment(pipeline, trigger)
    kept = prune(stages, services, origins, facts if trigger else None, findings)
    findings.raise_if_errors()
    kept_stages = defaults.numbered(kept.stages)
    return Plan(
        dialect="vela",
        stages=tuple(stage for stage in kept_stages if not stage.async_),
        async_stages=tuple(stage for stage in kept_stages if stage.async_),
        services=kept.services,
        secrets=tuple(dict.fromkeys((*declared, *(use.name for use in uses)))),
        facts=facts,
        home=defaults.HOME,
        workdir=defaults.WORKDIR,
        pruned=kept.pruned,
        environment=variables,
        origins=kept.origins,
        outputs=defaults.OUTPUTS,
        told=defaults.TOLD,
        mapped=scopes["steps"].mapped,
    )


def _scopes(pipeline: Fields, trigger: Trigger | None, variables: dict[str, str]) -> dict[str, Scope]:
    """Return the variables around each kind of container: the metadata says which get the global environment.

    What whoever asks for the run gives goes into steps and plugins, not into services, as in Vela's local execution.
    """
    receivers = _read_receivers(pipeline)
    reserved = frozenset((*variables, *defaults.TOLD, *defaults.OWN))
    outer = Scope(defaults=variables if trigger else {}, reserved=reserved, complete=trigger is not None)
    inner = outer.within(pipeline)
    scopes = {kind: inner if kind in receivers else outer for kind in _RECEIVERS}
    given = trigger.environment if trigger else {}
    scopes = {kind: scope if kind == "services" else replace(scope, given=given) for kind, scope in scopes.items()}
    return {**scopes, "steps": replace(scopes["steps"], mapped=is_mapped(pipeline))}


def _check_version(pipeline: Fields) -> None:
    version = pipeline.required("version", _VERSION_HINT)
    if version == "legacy":
        pipeline.findings.error(pipeline.place("version"), "the version 'legacy' is no more", _VERSION_HINT)


def _read_receivers(pipeline: Fields) -> tuple[str, ...]:
    """Return which kinds of containers receive the global environment: all of them, unless the metadata says less."""
    fields = pipeline.inner("metadata", "the metadata")
    if fields is None or fields.value("environment") is None:
        return _RECEIVERS
    kinds = fields.scalars("environment")
    for kind in kinds:
        if kind.text not in _RECEIVERS:
            message = f"'environment' of the metadata names {quoted(kind.text)}"
            fields.findings.warning(kind.place, message, f"it can name {', '.join(_RECEIVERS)}")
    return tuple(kind.text for kind in kinds)


def _check_needs(stages: Sequence[WrittenStage], findings: Findings) -> None:
    for finding in graph.check([stage.node for stage in stages], findings.nearest):
        record = findings.error if finding.severity is Severity.ERROR else findings.warning
        record(finding.place, finding.message, finding.hint)


def _check_secrets(uses: Iterable[Named], declared: frozenset[str], findings: Findings) -> None:
    """Warn of secrets that no ``secrets`` at the top declares: Vela's steps silently do without them."""
    first: dict[str, Named] = {}
    for use in uses:
        first.setdefault(use.name, use)
    for use in first.values():
        if use.name not in declared:
            near = findings.nearest(use.name, declared, _LIKE)
            hint = f"did you mean {near!r}?" if near else "declare it under 'secrets' at the top"
            findings.warning(use.place, f"the secret {quoted(use.name)} is not declared", hint)
