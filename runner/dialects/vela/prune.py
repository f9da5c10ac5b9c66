"""What of a pipeline stays in the plan: the rulesets are judged, and what they leave empty goes as well."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from runner.dialects.source import Findings
from runner.dialects.vela.rulesets import judge
from runner.dialects.vela.stages import WrittenStage
from runner.dialects.vela.steps import WrittenService
from runner.naming import SERVICES
from runner.plan import graph
from runner.plan.graph import Named
from runner.plan.model import Facts, Pruned, Service, Stage


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What is left, with the needs rewritten, and what went and why."""

    stages: tuple[Stage, ...]
    services: tuple[Service, ...]
    pruned: tuple[Pruned, ...]


def prune(stages: Sequence[WrittenStage], services: Sequence[WrittenService], facts: Facts, findings: Findings) -> Kept:
    """Judge all rulesets; a name that what is left has twice is an error.

    As in Vela, names are compared afterwards: of two steps with one name, rules may keep one or the other.
    """
    pruned: list[Pruned] = []
    kept_stages = [stage for stage in (_prune_stage(stage, facts, findings, pruned) for stage in stages) if stage]
    kept_services = [service for service in services if _keeps_service(service, facts, findings, pruned)]
    _report_duplicates([stage.named for stage in kept_stages], "stage", findings)
    _report_duplicates([service.named for service in kept_services], "service", findings)
    needs = {stage.named.name: tuple(need.name for need in stage.needs) for stage in kept_stages}
    left = graph.prune(needs, needs)
    return Kept(
        stages=tuple(replace(kept.stage, needs=left[kept.named.name]) for kept in kept_stages),
        services=tuple(kept.service for kept in kept_services),
        pruned=tuple(pruned),
    )


def _prune_stage(written: WrittenStage, facts: Facts, findings: Findings, pruned: list[Pruned]) -> WrittenStage | None:
    name = written.named.name
    steps = []
    for step in written.steps:
        verdict = judge(step.ruleset, facts, findings)
        if verdict:
            steps.append(step)
        else:
            pruned.append(Pruned(stage=name, step=step.named.name, why=verdict.why))
    if not steps:
        why = "none of its steps is left" if written.steps else "it has no steps"
        pruned.append(Pruned(stage=name, step="", why=why))
        return None
    _report_duplicates([step.named for step in steps], "step", findings)
    return replace(written, stage=replace(written.stage, steps=tuple(step.step for step in steps)))


def _keeps_service(written: WrittenService, facts: Facts, findings: Findings, pruned: list[Pruned]) -> bool:
    verdict = judge(written.ruleset, facts, findings)
    if not verdict:
        pruned.append(Pruned(stage=SERVICES, step=written.named.name, why=verdict.why))
    return verdict.holds


def _report_duplicates(names: Sequence[Named], what: str, findings: Findings) -> None:
    for finding in graph.duplicates((named for named in names if named.name), what=what):
        findings.error(finding.place, finding.message, finding.hint)
