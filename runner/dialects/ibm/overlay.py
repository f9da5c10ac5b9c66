"""Version 2: the file lies over the tasks of a pipeline, and says what their steps do."""

from collections.abc import Iterable, Mapping
from dataclasses import field, replace

from runner.dialects.findings import quoted
from runner.dialects.ibm.conditions import variables_of, why_not
from runner.dialects.ibm.drafts import (
    NOT_OURS,
    ONLY_STEP,
    Context,
    Draft,
    arrange,
    check_triggered,
    no_script,
    with_edge,
)
from runner.dialects.ibm.tasks import ASYNC, OWN_STEPS, RUN, TASK_PIPELINES, Task, TaskPipeline, owner_of, task_names
from runner.dialects.ibm.work import Around, Work
from runner.dialects.ibm.written import WrittenStep, WrittenTask
from runner.plan.graph import Named
from runner.plan.model import Pruned, Stage, Workspace
from runner.records import record


@record
class _Member:
    """A task of the file that is one of the pipeline: what its steps do, by their names, in order."""

    task: Task
    written: WrittenTask
    works: Mapping[str, Work] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the pipeline calls it: a further one of a task has a name of its own."""
        return self.written.named.name if self.written.origin else self.task.name


def draft_tasks(written: Iterable[WrittenTask], context: Context) -> Draft:
    """Return what tasks become in one kind of pipeline."""
    pipeline = TASK_PIPELINES[context.kind]
    overlay = _Overlay(context, pipeline)
    written = _copied(tuple(written))
    members = [overlay.judged(member) for task in written for member in overlay.find(task)]
    apart = [stage for task in written if task.named.name == ASYNC for stage in overlay.apart(task)]
    whole = _whole(members, pipeline, context)
    works = [work for member in members for work in member.works.values()]
    around = Around.of(context.trigger, (*works, *(work for _, work in apart)))
    found = {member.name: _stage(member, around, pipeline) for member in members if member.works}
    return Draft(
        stages=arrange(whole, found, pipeline.last.name),
        async_stages=tuple(
            replace(stage, steps=(around.step(ONLY_STEP, work),), services=around.needed((work,)), async_=True)
            for stage, work in apart
        ),
        services=around.services,
        pruned=tuple(overlay.pruned),
    )


def _copied(written: tuple[WrittenTask, ...]) -> tuple[WrittenTask, ...]:
    """Return the tasks of a file; a further one of a task that says nothing of its steps has those of that task."""
    own = {task.named.name: task.steps for task in written}
    return tuple(
        replace(task, steps=own.get(task.origin.name, ())) if task.origin and not task.steps else task
        for task in written
    )


class _Overlay:
    """Finds out what of a file counts in a pipeline, and remembers why the rest does not."""

    def __init__(self, context: Context, pipeline: TaskPipeline) -> None:
        self._context = context
        self._pipeline = pipeline
        trigger, around = context.trigger, Around.of(context.trigger, ())
        self._variables = None if trigger is None else variables_of(trigger, context.kind, around)
        self.pruned: list[Pruned] = []

    def find(self, written: WrittenTask) -> tuple[_Member, ...]:
        """Return the one task of the pipeline that is meant; none where it does not have it."""
        name, findings = written.named.name, self._context.findings
        if name == ASYNC:
            return ()
        if written.origin is not None:
            return self._find_origin(written, written.origin)
        task, why = self._pipeline.task(name), f"a {self._context.kind} pipeline has no such task"
        if task is not None and (task == self._pipeline.last or not written.at_end):
            return (_Member(task=task, written=written),)
        if task is not None:
            why = "it does not run at the end"
            findings.warning(written.named.place, f"the task {quoted(name)} is none of the end", "move it to 'tasks'")
        elif name not in task_names():
            near, owner = findings.nearest(name, task_names()), owner_of(name)
            hint = f"did you mean {near!r}?" if near else "it is ignored; a further one of a task has 'from'"
            hint = f"it is a step of {owner!r}" if owner else hint
            findings.warning(written.named.place, f"no pipeline has a task {quoted(name)}", hint)
        self._prune(name, "", why)
        return ()

    def _find_origin(self, written: WrittenTask, origin: Named) -> tuple[_Member, ...]:
        task, kind = self._pipeline.task(origin.name), self._context.kind
        if task is not None and task != self._pipeline.last:
            return (_Member(task=task, written=written),)
        if task is None and origin.name in task_names():
            self._prune(written.named.name, "", f"a {kind} pipeline has no task {quoted(origin.name)}")
            return ()
        message = f"the task specified to fan out from {quoted(origin.name)} is invalid"
        hint = f"a {kind} pipeline can have further ones of {', '.join(each.name for each in self._pipeline.tasks)}"
        self._context.findings.error(origin.place, message, hint)
        return ()

    def judged(self, member: _Member) -> _Member:
        """Return a task with what its steps do, in the order of the pipeline: each has a script, or is skipped."""
        written = member.written
        why = why_not(written.condition, self._variables, self._context.findings)
        works = {step.named.name: self._work(step, why) for step in self._known_steps(member)}
        done = {name: work for name, work in works.items() if work.settled}
        if not done:
            lack = f"{self._context.file} gives no script for its steps, and {NOT_OURS}"
            self._prune(written.named.name, "", why or lack)
            return member
        for name in [name for name in works if name not in done]:
            self._prune(written.named.name, name, f"{self._context.file} gives no script for it, and {NOT_OURS}")
        return replace(member, works=done)

    def apart(self, written: WrittenTask) -> list[tuple[Stage, Work]]:
        """Return the async stages, each with what it does; ``run-stage`` has image and Docker for those without."""
        steps = {step.named.name: step for step in written.steps}
        base = steps[RUN].work if RUN in steps else Work()
        why = why_not(written.condition, self._variables, self._context.findings)
        stages = [step for name, step in steps.items() if name not in (RUN, *OWN_STEPS, "finish")]
        check_triggered((step.named for step in stages), self._context.findings)
        found: list[tuple[Stage, Work]] = []
        for step in stages:
            work = self._work(step, why)
            docker = base.docker if work.docker is None else work.docker
            work = replace(work, image=work.image or base.image, docker=docker)
            fault = "" if work.settled else no_script(step.named.name, self._context.file)
            found.append((Stage(name=step.named.name, steps=(), timeout=written.timeout, fault=fault), work))
        return found

    def _known_steps(self, member: _Member) -> list[WrittenStep]:
        """Return the steps that the task has, in its order; where nobody knows that, all, in the order of the file."""
        task, written = member.task, member.written
        own = [step for step in written.steps if step.named.name not in OWN_STEPS]
        if not (task.steps or task.fixed):
            return own
        by_name = {step.named.name: step for step in own}
        for name in [name for name in by_name if name not in task.steps]:
            self._leave_out(written, by_name[name], task)
        return [by_name[name] for name in task.steps if name in by_name]

    def _leave_out(self, written: WrittenTask, step: WrittenStep, task: Task) -> None:
        """Pass over a step that its task does not have; one that is switched off is not worth a warning."""
        name, findings = step.named.name, self._context.findings
        self._prune(written.named.name, name, "the task has no such step")
        if step.off:
            return
        near, owner = findings.nearest(name, task.steps), owner_of(name)
        hint = f"did you mean {near!r}?" if near else f"it has {', '.join(task.steps or OWN_STEPS)}"
        hint = f"it is one of {owner!r}" if owner else hint
        findings.warning(step.named.place, f"task {quoted(written.named.name)} has no step {quoted(name)}", hint)

    def _work(self, step: WrittenStep, why: str) -> Work:
        skip = why or step.work.skip or why_not(step.condition, self._variables, self._context.findings)
        return replace(step.work, skip=skip)

    def _prune(self, stage: str, step: str, why: str) -> None:
        self.pruned.append(Pruned(stage=stage, step=step, why=why))


def _whole(members: Iterable[_Member], pipeline: TaskPipeline, context: Context) -> dict[str, tuple[str, ...]]:
    """Return what every task of the pipeline waits for, further ones too, with what the file adds by ``runAfter``."""
    members = tuple(members)
    whole: dict[str, tuple[str, ...]] = {}
    for task in pipeline.tasks:
        whole[task.name] = task.needs
        whole |= {member.name: task.needs for member in members if member.task == task}
    whole[pipeline.last.name] = tuple(whole)
    for member in members:
        for after in member.written.run_after:
            known = pipeline.task(after.name)
            name = after.name if known is None else known.name
            if name in whole:
                whole = with_edge(whole, member.name, Named(name=name, place=after.place), context.findings)
            else:
                _no_such(member.written, after, tuple(whole), context)
    return whole


def _no_such(written: WrittenTask, after: Named, names: tuple[str, ...], context: Context) -> None:
    near = context.findings.nearest(after.name, names)
    hint = f"did you mean {near!r}?" if near else f"there are {', '.join(names)}"
    message = f"'runAfter' of task {quoted(written.named.name)} names {quoted(after.name)}, which it cannot wait for"
    context.findings.error(after.place, message, hint)


def _stage(member: _Member, around: Around, pipeline: TaskPipeline) -> Stage:
    last = member.task == pipeline.last
    steps = (
        around.step(name, work, last=last, own={} if name == RUN else {"STAGE": name})
        for name, work in member.works.items()
    )
    return Stage(
        name=member.written.named.name,
        steps=tuple(steps),
        timeout=member.written.timeout,
        services=around.needed(member.works.values()),
        workspace=Workspace.OWN if last else Workspace.FRESH,  # in v11 only the steps of one task share files
    )
