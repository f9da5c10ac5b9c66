"""What of a pipeline stays in the plan: the rulesets are judged, and what they leave empty goes as well."""

from collections.abc import Sequence
from dataclasses import replace

from runner.dialects.source import Findings
from runner.dialects.vela.origins import WrittenOrigin
from runner.dialects.vela.rulesets import judge
from runner.dialects.vela.stages import WrittenStage
from runner.dialects.vela.steps import WrittenService, WrittenStep
from runner.naming import ORIGINS, SERVICES
from runner.plan import graph
from runner.plan.kept import without
from runner.plan.model import Facts, Pruned, Service, Stage, Step
from runner.records import record


@record
class Kept:
    """What is left, with the needs rewritten, and what went and why."""

    stages: tuple[Stage, ...]
    services: tuple[Service, ...]
    origins: tuple[Step, ...]
    pruned: tuple[Pruned, ...]


def prune(
    stages: Sequence[WrittenStage],
    services: Sequence[WrittenService],
    origins: Sequence[WrittenOrigin],
    facts: Facts | None,
    findings: Findings,
) -> Kept:
    """Judge all rulesets; a name that what is left has twice is an error.

    As in Vela, names are compared afterwards: of two steps with one name, rules may keep one or the other. Without
    ``facts`` everything is kept, and names are not compared with those of steps that have rules.
    """
    pruned: list[Pruned] = []
    kept_stages = [stage for stage in (_prune_stage(stage, facts, findings, pruned) for stage in stages) if stage]
    kept_stages = _without_branches(kept_stages, stages, pruned)
    kept_services = [each for each in services if _keeps(each, SERVICES, facts, findings, pruned)]
    kept_origins = [each for each in origins if _keeps(each, ORIGINS, facts, findings, pruned)]
    _report_duplicates(kept_stages, "stage", facts, findings)
    _report_duplicates(kept_services, "service", facts, findings)
    _report_duplicates(kept_origins, "origin", facts, findings)
    here = {stage.named for stage in kept_stages}
    gone = [stage.with_needs() for stage in stages if stage.named not in here]
    return Kept(
        stages=without([stage.with_needs() for stage in kept_stages], gone),
        services=tuple(kept.service for kept in kept_services),
        origins=tuple(kept.step for kept in kept_origins) if kept_stages else (),
        pruned=tuple(pruned),
    )


def _prune_stage(
    written: WrittenStage, facts: Facts | None, findings: Findings, pruned: list[Pruned]
) -> WrittenStage | None:
    name = written.named.name
    whole = judge(written.ruleset, facts, findings, written.variables)
    if not whole:
        pruned.append(Pruned(stage=name, step="", why=whole.why))
        return None
    steps = []
    for step in written.steps:
        verdict = judge(step.ruleset, facts, findings, step.variables)
        if verdict:
            steps.append(step)
        else:
            pruned.append(Pruned(stage=name, step=step.named.name, why=verdict.why))
    if all(step.step.evaluates for step in steps):
        main = [step for step in written.steps if not step.step.evaluates]
        why = "none of its steps is left" if main else "it has no steps"
        pruned.append(Pruned(stage=name, step="", why=why))
        return None
    _report_duplicates(steps, "step", facts, findings)
    return replace(written, stage=replace(written.stage, steps=tuple(step.step for step in steps)))


def _without_branches(
    kept: Sequence[WrittenStage], stages: Sequence[WrittenStage], pruned: list[Pruned]
) -> list[WrittenStage]:
    """Return the stages without those that ran in the branches of a fork that went, and without its join."""
    here = {stage.named.name for stage in kept}
    gone = {stage.named.name: stage.stage.fork for stage in stages if stage.named.name not in here}
    forks = {inside: name for name, fork in gone.items() if fork for inside in fork.stages}
    forks |= {stage.named.name: stage.join.name for stage in kept if stage.join and gone.get(stage.join.name)}
    whys = {each.stage: each.why for each in pruned if not each.step}
    lost = [stage for stage in kept if stage.named.name in forks]
    pruned += (
        Pruned(stage=name, step="", why=f"its fork {forks[name]} is left out: {whys[forks[name]]}")
        for name in (stage.named.name for stage in lost)
    )
    return [stage for stage in kept if stage not in lost]


def _keeps(
    written: WrittenService | WrittenOrigin, where: str, facts: Facts | None, findings: Findings, pruned: list[Pruned]
) -> bool:
    verdict = judge(written.ruleset, facts, findings, written.variables)
    if not verdict:
        pruned.append(Pruned(stage=where, step=written.named.name, why=verdict.why))
    return verdict.holds


def _report_duplicates(
    kept: Sequence[WrittenStage | WrittenStep | WrittenService | WrittenOrigin],
    what: str,
    facts: Facts | None,
    findings: Findings,
) -> None:
    sure = (each.named for each in kept if facts or not each.ruleset.patterns + each.ruleset.expressions)
    for finding in graph.duplicates((named for named in sure if named.name), what=what):
        findings.error(finding.place, finding.message, finding.hint)
