"""An application and the reason for a run to a plan."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from runner.dialects.findings import Findings
from runner.dialects.metalus.checks import check_graph, check_values
from runner.dialects.metalus.executions import Defaults, WrittenExecution, read_execution
from runner.dialects.metalus.fields import Fields
from runner.dialects.metalus.keys import APPLICATION, APPLICATION_KEY, WRAPPED
from runner.dialects.metalus.pipelines import WrittenPipeline, read_pipelines
from runner.dialects.metalus.values import Presets, Values, read_presets, read_values, values_from
from runner.dialects.metalus.weights import Scales
from runner.dialects.nodes import Mapping, Node
from runner.plan import graph
from runner.plan.model import BlockedBy, Plan, Stage, Step
from runner.plan.trigger import Trigger

WORKDIR: Final = "/workspace"
_WHAT: Final = "the application"
_HINT: Final = "write executions, each with an id, and the pipelines that they run"
_EVALUATION: Final = "evaluation"


def compile_pipeline(root: Node, trigger: Trigger | None, findings: Findings) -> Plan:
    """Return the plan of a loaded application. ``findings`` are those of the loader; what is found here is added.

    Parameters of the trigger are globals, under those of the application, as those of Metalus' command line are. Its
    variables reach every step as they are, in the place of those that a step has itself.

    Raises:
        InvalidPipelineError: with all findings, when one is an error.
    """
    if not isinstance(root, Mapping):
        findings.fail(root.place, "an application is a map", _HINT)
    given = trigger or Trigger()
    fields = _application(root, findings)
    executions = _executions(fields, _defaults(fields, given), findings)
    regions = check_graph(executions, findings)
    check_values(executions, findings)
    findings.raise_if_errors()
    stages = tuple(_stage(each, regions.inside.get(each.named.name, ())) for each in executions)
    return Plan(
        dialect="metalus",
        stages=stages,
        secrets=tuple(dict.fromkeys(use.source for stage in stages for step in stage.steps for use in step.secrets)),
        facts=given.facts,
        home=WORKDIR,
        workdir=WORKDIR,
        environment=given.environment,
        mapped=True,
    )


def _application(root: Mapping, findings: Findings) -> Fields:
    """Return the application, also of a document that holds it under ``application``, as answers of REST have it."""
    if root.get("executions") is None and isinstance(root.get(APPLICATION_KEY), Mapping):
        inner = Fields(root, "the document", findings, WRAPPED).checked().mapping(APPLICATION_KEY)
        return Fields(inner or root, _WHAT, findings, APPLICATION).checked()
    return Fields(root, _WHAT, findings, APPLICATION).checked()


def _defaults(fields: Fields, given: Trigger) -> Defaults:
    root = values_from(given.parameters)
    return Defaults(
        root=root,
        values=(read_values(fields) or Values()).over(root),
        presets=read_presets(fields) or Presets(),
        pipelines={each.named.name: each for each in read_pipelines(fields, "pipelines", given.environment.keys())},
        given=given.environment.keys(),
    )


def _executions(fields: Fields, defaults: Defaults, findings: Findings) -> tuple[WrittenExecution, ...]:
    """Return the executions, each id once."""
    nodes = fields.all_beneath("executions")
    if fields.lacks("executions"):
        findings.error(fields.place("executions"), f"{_WHAT} has no executions", _HINT)
    found: list[WrittenExecution] = []
    scales = Scales(findings, "steps and globals")
    for node in nodes:
        written = read_execution(node, defaults)
        scales.add(written.weight, node.node.place)
        found += [written] if written.named.name else []
    for finding in graph.duplicates([each.named for each in found], what="execution"):
        findings.error(finding.place, finding.message, finding.hint)
    return tuple({each.named.name: each for each in reversed(found)}.values())[::-1]


def _stage(written: WrittenExecution, inside: tuple[str, ...]) -> Stage:
    return Stage(
        name=written.named.name,
        steps=tuple(_steps(written.evaluation, written.pipelines)),
        needs=tuple(dict.fromkeys(parent.name for parent in written.parents)),
        independent=True,
        blocked_by=BlockedBy.FORK if written.joins and written.always else BlockedBy.NEEDS,
        globals=written.values.globals,
        links={name: link.value for name, link in written.values.links.items()},
        parameters=written.presets.by_pipeline,
        fork=replace(written.fork, stages=inside) if written.fork else None,
    )


def _steps(evaluation: Sequence[WrittenPipeline], pipelines: Iterable[WrittenPipeline]) -> Iterator[Step]:
    """Yield all steps of an execution, each with a name of its own: a pipeline may both decide and run."""
    main = tuple(pipelines)
    both = {each.named.name for each in main}
    for pipeline in evaluation:
        prefix = f"{_EVALUATION}/" if pipeline.named.name in both else ""
        for written in pipeline.steps:
            yield replace(written.step, name=f"{prefix}{written.step.name}", evaluates=True)
    for pipeline in main:
        yield from (written.step for written in pipeline.steps)
