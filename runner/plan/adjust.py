"""A plan as somebody wants it this time: less of it, other images, other workspaces."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

from runner.errors import UsageError
from runner.naming import ORIGINS
from runner.plan import graph
from runner.plan.graph import Suggest
from runner.plan.images import means
from runner.plan.kept import without
from runner.plan.model import Plan, Pruned, PullPolicy, Service, Stage, Step, Workspace
from runner.records import record


@record
class Replacement:
    """Another image for those that a pattern fits (``plan.images``), or that are written exactly so."""

    pattern: str
    image: str


@record
class Choice:
    """What is wanted of a plan; what is empty or None changes nothing.

    A step is named ``step``, in any stage, or ``stage/step``. With ``needs`` the stages that the chosen ones need come
    too, whole.
    """

    stages: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    needs: bool = False
    skipped: tuple[str, ...] = ()
    images: tuple[Replacement, ...] = ()
    pull: PullPolicy | None = None
    workspace: Workspace | None = None


def adjust(plan: Plan, choice: Choice, suggest: Suggest) -> Plan:
    """Return the plan as it is wanted. What goes is noted in ``pruned``, and is waited for by nobody.

    An image that nothing has is told as a warning.

    Raises:
        UsageError: something is chosen that the pipeline does not have; the message has the nearest name.
    """
    adjusted = _choose(plan, choice, suggest)
    adjusted = _skip(adjusted, choice.skipped, suggest)
    adjusted = _with_images(adjusted, choice.images, suggest)
    if choice.pull is not None:
        adjusted = _with_pull(adjusted, choice.pull)
    if choice.workspace is not None:
        adjusted = _with_workspace(adjusted, choice.workspace)
    return adjusted


def _choose(plan: Plan, choice: Choice, suggest: Suggest) -> Plan:
    if not choice.stages and not choice.steps:
        if choice.needs:
            raise UsageError("--needs adds to a choice, and nothing is chosen", hint="choose with --stage or --step")
        return plan
    _check_stages(plan, choice.stages, suggest)
    plan = _with_undefined(plan, choice.stages)
    stages = [stage for stage in plan.stages if not choice.stages or stage.name in choice.stages]
    gone = [pruned for pruned in plan.pruned if not choice.stages or pruned.stage in choice.stages]
    _check("--step", "step", choice.steps, _step_names(stages, gone), suggest)
    chosen = {
        stage.name: tuple(step.name for step in stage.steps if not choice.steps or _is_named(choice.steps, stage, step))
        for stage in stages
    }
    faulty = {stage.name for stage in plan.stages if stage.fault}
    chosen = {name: steps for name, steps in chosen.items() if steps or (name in faulty and not choice.steps)}
    needs = {stage.name: stage.needs for stage in plan.stages}
    needed = {need for name in chosen for need in graph.transitive_needs(needs, name)} if choice.needs else set()

    def keeps(stage: Stage, step: Step) -> bool:
        return step.name in chosen[stage.name] if stage.name in chosen else stage.name in needed

    left = chosen.keys() | needed | faulty
    missing = {name: [need for need in needs[name] if need not in left] for name in chosen if name not in faulty}
    warnings = [
        f"stage {name} needs what was not chosen: {', '.join(lost)} (--needs adds it)"
        for name, lost in missing.items()
        if lost
    ]
    plan = replace(plan, warnings=(*plan.warnings, *warnings))
    why = "not chosen by --step" if choice.steps else "not chosen by --stage"
    plan = _keep(plan, keeps, why, faulty & (chosen.keys() | needed))
    return _chained(plan) if plan.kind and choice.stages else plan


def _chained(plan: Plan) -> Plan:
    """Return the plan with each stage behind the one before it: of IBM's pipelines only the whole has a graph.

    So v9 ran them, and whoever picks some of them counts on what the one before has left.
    """
    order = graph.order({stage.name: stage.needs for stage in plan.stages})
    before = dict(zip(order[1:], order, strict=False))
    return replace(
        plan,
        stages=tuple(
            replace(stage, needs=tuple(dict.fromkeys((*stage.needs, before[stage.name]))))
            if stage.name in before
            else stage
            for stage in plan.stages
        ),
    )


def _check_stages(plan: Plan, names: Iterable[str], suggest: Suggest) -> None:
    """See that there are stages of these names."""
    apart = {stage.name for stage in plan.async_stages}
    known = _stage_names(plan)
    for name in names:
        if name in apart and name not in known:
            raise UsageError(f"--stage {name}: that is an async stage", hint="a step starts it, with trigger-task")
    _check("--stage", "stage", names, known, suggest)


def _with_undefined(plan: Plan, names: Collection[str]) -> Plan:
    """Return the plan with those stages that its file lacks and that are chosen all the same: they fail."""
    chosen = tuple(stage for stage in plan.undefined if stage.name in names)
    here = {stage.name for stage in chosen}
    return replace(
        plan,
        stages=(*plan.stages, *chosen),
        undefined=tuple(stage for stage in plan.undefined if stage.name not in here),
        pruned=tuple(gone for gone in plan.pruned if gone.stage not in here),
    )


def _skip(plan: Plan, skipped: Collection[str], suggest: Suggest) -> Plan:
    if not skipped:
        return plan
    origins = Stage(name=ORIGINS, steps=plan.origins)
    _check("--skip-step", "step", skipped, _step_names((*plan.stages, origins), plan.pruned), suggest)
    why = "left out by --skip-step"
    gone = tuple(origin for origin in plan.origins if _is_named(skipped, origins, origin))
    plan = replace(
        plan,
        origins=tuple(origin for origin in plan.origins if origin not in gone),
        pruned=(*plan.pruned, *(Pruned(stage=ORIGINS, step=origin.name, why=why) for origin in gone)),
    )
    gone_stages = {stage.name for stage in plan.stages if _is_skipped(skipped, stage)}
    gone_stages |= {name for stage in plan.stages if stage.name in gone_stages for name in _branches(stage)}
    return _keep(plan, lambda stage, step: stage.name not in gone_stages and not _is_named(skipped, stage, step), why)


def _is_skipped(skipped: Collection[str], stage: Stage) -> bool:
    """Whether nothing is left of a stage; it needs no steps that decide about it then."""
    return all(step.evaluates or _is_named(skipped, stage, step) for step in stage.steps)


def _branches(stage: Stage) -> tuple[str, ...]:
    """Return what runs in the branches of a stage: nothing does without it."""
    return stage.fork.stages if stage.fork else ()


def _keep(plan: Plan, keeps: Callable[[Stage, Step], bool], why: str, faulty: Collection[str] | None = None) -> Plan:
    """Return the plan with the steps that are kept, and the stages that have any.

    Of stages with a fault, which have none, those are kept that are named ``faulty``; all of them if nothing is.
    """
    stages: list[Stage] = []
    pruned = list(plan.pruned)
    for stage in plan.stages:
        steps = tuple(step for step in stage.steps if keeps(stage, step))
        if steps or (stage.fault and (faulty is None or stage.name in faulty)):
            pruned += [Pruned(stage=stage.name, step=s.name, why=why) for s in stage.steps if s not in steps]
            stages.append(replace(stage, steps=steps))
        else:
            pruned.append(Pruned(stage=stage.name, step="", why=why))
    idle = _services_of(plan.stages) - _services_of((*stages, *plan.async_stages))
    return replace(
        plan,
        stages=_left(plan, stages),
        services=tuple(service for service in plan.services if service.name not in idle),
        origins=plan.origins if stages else (),
        pruned=tuple(pruned),
    )


def _left(plan: Plan, stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """Return the stages that are left of a plan; of a pipeline of IBM's they stay in the order of its kind."""
    here = [stage.name for stage in stages]
    if not plan.kind:
        return without(stages, [stage for stage in plan.stages if stage.name not in here])
    needs = graph.contract({stage.name: stage.needs for stage in plan.stages}, here)
    return tuple(replace(stage, needs=needs[stage.name]) for stage in stages)


def _services_of(stages: Iterable[Stage]) -> set[str]:
    """Return the names of the services that are for these stages."""
    return {name for stage in stages for name in stage.services}


def _with_images(plan: Plan, replacements: Collection[Replacement], suggest: Suggest) -> Plan:
    if not replacements:
        return plan
    warnings = list(plan.warnings)
    images = dict.fromkeys(container.image for container in _containers(plan))
    for each in replacements:
        if not any(_takes(each, image) for image in images):
            near = suggest(each.pattern, [i for i in images if not any(_takes(other, i) for other in replacements)])
            hint = f" (did you mean {near!r}?)" if near else ""
            warnings.append(f"--image {each.pattern}: nothing that is to run has this image{hint}")

    def changed(image: str) -> str:
        return next((each.image for each in replacements if _takes(each, image)), image)

    plan = _map(plan, lambda step: replace(step, image=changed(step.image)), _other_image(changed))
    return replace(plan, warnings=tuple(warnings))


def _other_image(changed: Callable[[str], str]) -> Callable[[Service], Service]:
    return lambda service: replace(service, image=changed(service.image))


def _takes(replacement: Replacement, image: str) -> bool:
    return image == replacement.pattern or means(replacement.pattern, image)


def _with_pull(plan: Plan, pull: PullPolicy) -> Plan:
    return _map(plan, lambda step: replace(step, pull=pull), lambda service: replace(service, pull=pull))


def _with_workspace(plan: Plan, workspace: Workspace) -> Plan:
    """Change what stages share; one that has no workspace is left without."""

    def changed(stage: Stage) -> Stage:
        return stage if stage.workspace is Workspace.NONE else replace(stage, workspace=workspace)

    return replace(plan, stages=tuple(map(changed, plan.stages)), async_stages=tuple(map(changed, plan.async_stages)))


def _map(plan: Plan, step: Callable[[Step], Step], service: Callable[[Service], Service]) -> Plan:
    def changed(stage: Stage) -> Stage:
        return replace(stage, steps=tuple(map(step, stage.steps)))

    return replace(
        plan,
        stages=tuple(map(changed, plan.stages)),
        async_stages=tuple(map(changed, plan.async_stages)),
        services=tuple(map(service, plan.services)),
        origins=tuple(map(step, plan.origins)),
    )


def _containers(plan: Plan) -> tuple[Step | Service, ...]:
    stages = (*plan.stages, *plan.async_stages)
    return (*plan.origins, *plan.services, *(step for stage in stages for step in stage.steps))


def _is_named(names: Collection[str], stage: Stage, step: Step) -> bool:
    return step.name in names or f"{stage.name}/{step.name}" in names


def _stage_names(plan: Plan) -> set[str]:
    """Return all names of stages, also of those that rules have pruned: they are no mistake of who chooses them."""
    return {stage.name for stage in plan.stages} | {gone.stage for gone in plan.pruned}


def _step_names(stages: Iterable[Stage], gone: Iterable[Pruned]) -> set[str]:
    there = [(stage.name, step.name) for stage in stages for step in stage.steps]
    pruned = [(pruned.stage, pruned.step) for pruned in gone if pruned.step]
    return {name for stage, step in (*there, *pruned) for name in (step, f"{stage}/{step}")}


def _check(option: str, what: str, names: Iterable[str], known: Collection[str], suggest: Suggest) -> None:
    for name in names:
        if name not in known:
            near = suggest(name, known)
            hint = f"did you mean {near!r}?" if near else f"there are: {', '.join(sorted(known)) or 'none'}"
            raise UsageError(f"{option} {name}: there is no such {what}", hint=hint)
