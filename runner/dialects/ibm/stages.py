"""Version 1: every key of the file but a few is a stage, with a script."""

from collections.abc import Iterable
from collections.abc import Mapping as Map
from dataclasses import replace
from typing import Final

from runner.dialects.fields import KINDS, Fields
from runner.dialects.findings import Findings, quoted
from runner.dialects.ibm.drafts import (
    NOT_OURS,
    ONLY_STEP,
    Context,
    Draft,
    arrange,
    check_name,
    check_triggered,
    map_of,
    no_script,
    with_edge,
)
from runner.dialects.ibm.keys import PREPROCESSOR, STAGE, VERSION
from runner.dialects.ibm.pipelines import FINISH, PIPELINES, START, Pipeline, Slot, known_names
from runner.dialects.ibm.work import SKIPPED, Around, Work, pull_policy
from runner.dialects.nodes import Mapping
from runner.errors import Place
from runner.plan import graph
from runner.plan.graph import Named
from runner.plan.model import Pruned, Stage
from runner.records import record

_OWN: Final = (VERSION, PREPROCESSOR)
_FREE: Final = ("x-", ".")  # keys that only hold anchors, as in Vela's files
_LIKE: Final = 0.8


@record
class WrittenStage:
    """A stage as it was written; of ``Stage`` it has what does not depend on the kind of pipeline."""

    named: Named
    work: Work
    stage: Stage
    run_after: Named | None = None
    skip: Place | None = None


def read_stages(root: Mapping, findings: Findings) -> tuple[WrittenStage, ...]:
    """Return the stages of a file, in its order."""
    found: list[WrittenStage] = []
    for entry in root.entries:
        named = Named(name=entry.key.text, place=entry.key.place)
        if named.name in _OWN or named.name.startswith(_FREE):
            continue
        check_name(named, findings)
        node = map_of(entry.value)
        if node is None:
            message = f"the stage {quoted(named.name)} is {KINDS[type(entry.value)]}"
            findings.error(entry.value.place, message, "write its keys under it, such as image and script")
        else:
            fields = Fields(node, f"stage {quoted(named.name)}", findings, STAGE).checked()
            found.append(_read_stage(named, fields))
    return tuple(found)


def _read_stage(named: Named, fields: Fields) -> WrittenStage:
    work = Work(
        image=fields.text("image"),
        script=fields.text("script"),
        pull=pull_policy(fields.word("image_pull_policy", "IfNotPresent")),
        docker=fields.text("dind_image") if fields.flag("dind") else None,
    )
    config = tuple(name for name in (fields.text("configmap"), fields.text("secret")) if name)
    allow_failure = not fields.flag("abort_on_failure", default=True)
    return WrittenStage(
        named=named,
        work=work,
        stage=Stage(name=named.name, steps=(), allow_failure=allow_failure, config=config),
        run_after=fields.named("runAfter"),
        skip=fields.place("skip") if fields.flag("skip") else None,
    )


def draft_stages(written: Iterable[WrittenStage], context: Context) -> Draft:
    """Return what stages become in one kind of pipeline."""
    pipeline = PIPELINES[context.kind]
    placed, apart = _place(written, pipeline)
    placed = {name: _skipped(stage, pipeline.slot(name), context.findings) for name, stage in placed.items()}
    apart = tuple(_skipped(stage, None, context.findings) for stage in apart)
    _check_scripts(placed, pipeline, context)
    whole = _whole(placed, apart, pipeline, context)
    around = Around.of(context.trigger, (each.work for each in (*placed.values(), *apart)))
    here = {name: _stage(each, around, name) for name, each in placed.items() if each.work.settled}
    lacking = [slot for slot in pipeline.slots if slot.name not in here and not slot.fixed]
    absent = {slot.name: _absent(slot, placed.get(slot.name), context.file) for slot in lacking}
    failing = {slot.name for slot in lacking if slot.required and slot.name not in placed}
    there = {**here, **{name: absent[name] for name in failing}}
    optional = [slot for slot in lacking if slot.name not in failing]
    return Draft(
        stages=arrange(whole, there, FINISH),
        undefined=tuple(_undefined(absent[slot.name], slot, whole, there) for slot in optional),
        async_stages=tuple(_apart(each, around, context) for each in apart),
        services=around.services,
        pruned=tuple(_pruned(slot, placed.get(slot.name), context.file) for slot in optional),
    )


def _place(
    written: Iterable[WrittenStage], pipeline: Pipeline
) -> tuple[dict[str, WrittenStage], tuple[WrittenStage, ...]]:
    """Return the stages of the pipeline by its names for them, and all others."""
    by_name = {each.named.name: each for each in written}
    placed: dict[str, WrittenStage] = {}
    for slot in pipeline.slots:
        name = next((name for name in (slot.name, *slot.spellings) if name in by_name), None)
        if name is not None and not slot.fixed:
            placed[slot.name] = by_name.pop(name)
    return placed, tuple(by_name.values())


def _skipped(written: WrittenStage, slot: Slot | None, findings: Findings) -> WrittenStage:
    """Return a stage that is passed over if its file says so.

    IBM's page has a list of those that can be; a warning tells of others. Files in use skip ``setup``, too.
    """
    if written.skip is None:
        return written
    if slot is not None and not slot.skippable:
        message = f"stage {quoted(written.named.name)} is none of those that IBM's pipelines can skip"
        findings.warning(written.skip, message, "here it is passed over all the same")
    return replace(written, work=replace(written.work, skip=SKIPPED))


def _check_scripts(placed: Map[str, WrittenStage], pipeline: Pipeline, context: Context) -> None:
    for slot in pipeline.slots:
        written = placed.get(slot.name)
        if written and not (written.work.settled or slot.provided):
            message = f"stage {quoted(written.named.name)} has no 'script'"
            context.findings.error(written.named.place, message, "write what it runs")


def _whole(
    placed: Map[str, WrittenStage], apart: Iterable[WrittenStage], pipeline: Pipeline, context: Context
) -> dict[str, tuple[str, ...]]:
    """Return what every stage of the pipeline waits for, with what the file adds by ``runAfter``."""
    whole = pipeline.graph()
    for name, written in placed.items():
        after = written.run_after
        if after is None or after.name == START:
            continue
        slot = pipeline.slot(after.name)
        if slot is None:
            _no_such(written, after, {each.named.name for each in apart}, context)
        else:
            whole = with_edge(whole, name, Named(name=slot.name, place=after.place), context.findings)
    return whole


def _no_such(written: WrittenStage, after: Named, apart: set[str], context: Context) -> None:
    """Record a stage to wait for that the pipeline does not have; in IBM's pipelines that can wait for ever.

    It does no harm where the stage that would wait is not there either.
    """
    names = [name for slot in PIPELINES[context.kind].slots for name in (slot.name, *slot.spellings)]
    near = context.findings.nearest(after.name, names)
    hint = f"a {context.kind} pipeline has {', '.join(names)}"
    if after.name in apart or after.name in known_names():
        hint = f"a {context.kind} pipeline has none of that name"
    elif near:
        hint = f"did you mean {near!r}?"
    message = f"'runAfter' of stage {quoted(written.named.name)} names {quoted(after.name)}, which it cannot wait for"
    record = context.findings.error if written.work.settled else context.findings.warning
    record(after.place, message, hint)


def _stage(written: WrittenStage, around: Around, name: str = "") -> Stage:
    step = around.step(ONLY_STEP, written.work, last=name == FINISH)
    return replace(written.stage, steps=(step,), services=around.needed((written.work,)))


def _absent(slot: Slot, written: WrittenStage | None, file: str) -> Stage:
    """Return the stage that fails where a file lacks one, or its script; the text is that of IBM's pipelines."""
    if written is None:
        return Stage(name=slot.name, steps=(), fault=f"Stage '{slot.name}' is not defined in '{file}'")
    return Stage(name=written.named.name, steps=(), fault=no_script(written.named.name, file))


def _undefined(stage: Stage, slot: Slot, whole: Map[str, tuple[str, ...]], there: Map[str, Stage]) -> Stage:
    needs = graph.contract(whole, {*there, slot.name})[slot.name]
    return replace(stage, needs=tuple(there[need].name for need in needs))


def _pruned(slot: Slot, written: WrittenStage | None, file: str) -> Pruned:
    lack = f"{file} does not define it" if written is None else f"{file} gives no script for it"
    name = slot.name if written is None else written.named.name
    return Pruned(stage=name, step="", why=f"{lack}, and {NOT_OURS}" if slot.provided else lack)


def _apart(written: WrittenStage, around: Around, context: Context) -> Stage:
    """Return an async stage: what this kind of pipeline does not have."""
    _warn_apart(written, context)
    fault = "" if written.work.settled else no_script(written.named.name, context.file)
    return replace(_stage(written, around), async_=True, fault=fault)


def _warn_apart(written: WrittenStage, context: Context) -> None:
    """Warn of a stage that is probably not meant to be an async one."""
    findings, named = context.findings, written.named
    check_triggered((named,), findings)
    if named.name == START or any(slot.fixed and slot.name == named.name for slot in PIPELINES["cd"].slots):
        message = f"no file can say what the stage {quoted(named.name)} of IBM's pipelines does"
        findings.warning(named.place, message, "here it is an async stage")
    elif named.name not in known_names():
        near = findings.nearest(named.name, known_names(), _LIKE)
        hint = f"did you mean {near!r}? " if near else ""
        if near or not written.work.settled:
            lack = "" if written.work.settled else ", and it has no script"
            message = f"no pipeline has a stage {quoted(named.name)}{lack}"
            findings.warning(named.place, message, f"{hint}as it stands, it is an async stage")
