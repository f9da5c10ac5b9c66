"""The stages of a pipeline; a pipeline of plain steps is one stage."""

from collections.abc import Mapping as Variables
from collections.abc import Sequence as Series
from dataclasses import field, replace
from typing import Final

from runner.dialects.source import Entry, Mapping, Sequence, quoted
from runner.dialects.vela.environment import Scope
from runner.dialects.vela.executions import Data, read_data, read_execution
from runner.dialects.vela.fields import Fields
from runner.dialects.vela.rulesets import WrittenRuleset, read_ruleset
from runner.dialects.vela.steps import EVALUATE, WrittenStep, read_name, read_steps
from runner.plan.graph import Named, Node, transitive_needs
from runner.plan.model import OnLost, Ruleset, Stage, Workspace
from runner.records import record

ONLY_STAGE: Final = "steps"
CLONE: Final = "clone"
_WITHOUT_CLONE: Final = (CLONE, "init")


@record
class WrittenStage:
    """A stage as it was written, before anything is pruned; ``stage`` has no steps yet.

    ``join`` is the fork whose branches it waits for. ``variables`` are those that its ruleset is judged with.
    """

    stage: Stage
    named: Named
    needs: tuple[Named, ...] = ()
    join: Named | None = None
    steps: tuple[WrittenStep, ...]
    ruleset: WrittenRuleset = field(default_factory=lambda: WrittenRuleset(ruleset=Ruleset()))
    variables: Variables[str, str] = field(default_factory=dict)

    @property
    def node(self) -> Node:
        """The stage as a node of the graph."""
        return Node(name=self.named.name, place=self.named.place, needs=self.needs)

    def with_needs(self) -> Stage:
        """Return the stage with the names of all that it needs."""
        return replace(self.stage, needs=tuple(need.name for need in self.needs))


def read_stages(pipeline: Fields, scope: Scope) -> tuple[WrittenStage, ...]:
    """Return the stages of ``stages``, or the one stage that ``steps`` are; ``scope`` is that of the pipeline."""
    stages, steps = pipeline.value("stages"), pipeline.value("steps")
    if stages is not None and steps is not None:
        pipeline.findings.error(
            steps.place, "a pipeline has 'stages' or 'steps', not both", "move the steps to a stage"
        )
    if stages is None and steps is None and pipeline.value("templates"):
        return ()  # refused already
    if stages is None and steps is None:
        pipeline.findings.error(pipeline.node.place, "there are no 'stages' and no 'steps'", "write one of them")
        return ()
    data = read_data(pipeline)
    if stages is not None:
        entries = () if (node := pipeline.mapping("stages")) is None else node.entries
        read = (_read_stage(entry, scope, pipeline, data) for entry in entries)
        return _with_clone(_checked([stage for stage in read if stage], pipeline))
    named = Named(name=ONLY_STAGE, place=pipeline.place("steps"))
    only = Stage(name=ONLY_STAGE, steps=(), globals=data.globals, links=data.links)
    return (WrittenStage(stage=only, named=named, steps=_read_steps(pipeline, scope)),)


def _read_stage(entry: Entry, scope: Scope, pipeline: Fields, data: Data) -> WrittenStage | None:
    node, key, findings = entry.value, entry.key, pipeline.findings
    if not isinstance(node, Mapping):
        findings.error(node.place, f"the stage {quoted(key.text)} is not a map", "write its steps under 'steps'")
        return None
    fields = pipeline.beneath(node, f"stage {quoted(key.text)}", pipeline.kind_in("stages"))
    name = fields.text("name")
    named = read_name(findings, Named(name=name or key.text, place=fields.place("name") if name else key.place))
    if not named.name:
        findings.error(named.place, "a stage has an empty name", "name it")
    needs = tuple(Named(name=item.text, place=item.place) for item in fields.scalars("needs"))
    inner = scope.within(fields)
    environment = inner.environment()
    ruleset, apart = read_ruleset(fields.substituting(environment.early)), fields.flag("async")
    execution = read_execution(fields, data, apart=apart)
    scope.work.data(execution.data.size, fields)
    stage = Stage(
        name=named.name,
        steps=(),
        independent=fields.flag("independent"),
        async_=apart,
        timeout=fields.timeout(),
        retry=fields.retry(),
        ruleset=ruleset.ruleset,
        workspace=Workspace(fields.word("workspace", Workspace.OWN)),
        on_lost=OnLost(fields.word("on_lost", OnLost.FAIL)),
        globals=execution.data.globals,
        links=execution.data.links,
        fork=execution.fork,
    )
    return WrittenStage(
        stage=stage,
        named=named,
        needs=needs,
        join=execution.join,
        steps=(*_read_evaluation(fields, inner, stage.name), *_read_steps(fields, inner, stage.name)),
        ruleset=ruleset,
        variables=environment.compared(fields) if ruleset.expressions else {},
    )


def _checked(stages: Series[WrittenStage], pipeline: Fields) -> list[WrittenStage]:
    """See that nobody waits for an async stage, that it waits for nobody, and that it can be named where it starts."""
    findings, apart = pipeline.findings, {stage.named.name for stage in stages if stage.stage.async_}
    for stage in stages:
        for need in stage.needs:
            if need.name in apart and not stage.stage.async_:
                message = f"the stage {quoted(stage.named.name)} needs {quoted(need.name)}, which is async"
                findings.error(need.place, message, "nobody can wait for it: it is a run of its own")
        if stage.stage.async_ and stage.needs:
            message = f"the async stage {quoted(stage.named.name)} has needs, and waits for nobody"
            findings.warning(stage.needs[0].place, message, "what it is handed is told by export_env and save_repo")
        if stage.stage.async_ and stage.named.name and not _can_be_started(stage.named.name):
            message = f"an async stage cannot be called {quoted(stage.named.name)}"
            findings.error(stage.named.place, message, "1 to 63 of a-z, 0-9 and -, with no - at either end")
    return [replace(stage, needs=()) if stage.stage.async_ else stage for stage in stages]


def _can_be_started(name: str) -> bool:
    from runner.pipelinectl.payload import is_stage_name  # noqa: PLC0415 - few pipelines have async stages

    return is_stage_name(name)


def _read_steps(fields: Fields, scope: Scope, stage: str = "") -> tuple[WrittenStep, ...]:
    value = fields.value("steps")
    if value is None or (isinstance(value, Sequence) and not value.items):
        fields.findings.warning(fields.place("steps"), f"{fields.what} has no steps", "it is left out")
    return read_steps(fields, scope, stage)


def _read_evaluation(fields: Fields, scope: Scope, stage: str) -> tuple[WrittenStep, ...]:
    found = read_steps(fields, scope, stage, EVALUATE)
    for written in found:
        if written.step.detach:
            message = f"the step {quoted(written.step.name)} decides about {fields.what}, and is detached"
            fields.findings.error(written.named.place, message, "nobody waits for it: leave out 'detach'")
    return found


def _with_clone(stages: Series[WrittenStage]) -> tuple[WrittenStage, ...]:
    """Let every stage need a stage named ``clone``, as Vela does, but those that it waits for itself."""
    graph = {stage.named.name: tuple(need.name for need in stage.needs) for stage in stages}
    if CLONE not in graph:
        return tuple(stages)
    before = {*_WITHOUT_CLONE, *transitive_needs(graph, CLONE)}
    return tuple(
        stage
        if stage.stage.async_ or stage.named.name in before or CLONE in graph[stage.named.name]
        else replace(stage, needs=(*stage.needs, Named(name=CLONE, place=stage.named.place)))
        for stage in stages
    )
