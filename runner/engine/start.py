"""What an attempt of a step is started with: its container, and its variables as they are right then."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Final

from runner import naming
from runner.engine.job import Context
from runner.engine.specs import Release, StepSpec
from runner.errors import InfrastructureError, UsageError
from runner.naming import Address
from runner.pipelinectl import layout
from runner.plan import mapping
from runner.plan.mapping import MappingError
from runner.plan.model import PullPolicy, Service, Step, Told
from runner.plan.status import Status
from runner.plan.substitution import BadTemplateError, late
from runner.records import record

LONGEST_VARIABLE: Final = 131_000
"""How many bytes one variable may have, so that programs can still be started with it (``MAX_ARG_STRLEN``, 128 KiB)."""


@record
class Start:
    """A step's container, and what returns its variables but for those that are told at the release.

    These are found out when they are first asked for, which may wait for the sandbox, and then stay the same.
    ``fetch`` says that its image is pulled right now: in any case (True), or if it is absent (False); None for one that
    was fetched before anything ran, or never is.
    """

    spec: StepSpec
    fetch: bool | None
    environment: Callable[[], Mapping[str, str]]


def start_of(context: Context, step: Step, address: Address) -> Start:
    """Return what an attempt is started with, in its open stage; read again for each.

    In a step that is ``late``, its texts and the variables that it sets itself are filled in, once and from the values
    that stood there before (``Substitute`` of go-vela/server ``compiler/types/pipeline/container.go``). Secrets and
    outputs are values, in which nothing is replaced, and so is what a reference has come to.

    Raises:
        InfrastructureError: the outputs cannot be read, or a text cannot be filled in.
        MappingError: a reference means nothing.
    """
    fetch = fetch_at_start(step)
    if not (step.late or is_mapped(step)):
        variables_then = cache(lambda: variables_of(context, step, address.of_stage()))
        return Start(spec=spec_of(context, step, address), fetch=fetch, environment=variables_then)
    variables: Mapping[str, str] = variables_of(context, step, address.of_stage())
    if is_mapped(step):
        step, variables = _mapped(context, step, address, variables)
    if not step.late:
        return Start(spec=spec_of(context, step, address), fetch=fetch, environment=lambda: variables)
    known = {**variables, **_told(context, address)}

    def filled(field: str, text: str) -> str:
        try:
            return late(text, known)
        except BadTemplateError as error:
            raise InfrastructureError(f"{field} of step {step.name}: {error}", hint=error.hint) from error

    own = [(name, text) for name, text in step.environment.items() if variables[name] == text]
    environment = {**variables, **{name: filled(f"variable {name}", text) for name, text in own}}
    resolved = replace(
        step,
        image=filled("image", step.image),
        entrypoint=tuple(filled("entrypoint", text) for text in step.entrypoint),
        user=filled("user", step.user),
        working_dir=filled("working_dir", step.working_dir),
    )
    return Start(spec=spec_of(context, resolved, address), fetch=fetch, environment=lambda: environment)


def is_mapped(step: Step) -> bool:
    """Whether the texts of a step are references: all of a plan that is mapped belong to a pipeline."""
    return bool(step.pipeline)


def _mapped(
    context: Context, step: Step, address: Address, variables: Mapping[str, str]
) -> tuple[Step, Mapping[str, str]]:
    """Return a step and its variables with what the references in them mean."""
    scope = context.scopes.scope(address, step)

    def resolved(field: str, text: str) -> str:
        try:
            found = mapping.text_of(mapping.resolve(text, scope))
        except MappingError as error:
            raise MappingError(f"{field}: {error.message}", hint=error.hint) from error
        if len(layout.raw(found)) > LONGEST_VARIABLE:
            message = f"{field}: {text} has {len(found):,} characters, more than a program can be given"
            raise MappingError(message, hint="hand it on in a file of the workspace, or refer to a part of it")
        return found

    texts = {name for name, text in step.environment.items() if variables[name] == text and _refers(context, text)}
    own = {name: resolved(f"variable {name}", step.environment[name]) for name in step.environment if name in texts}
    plain = {name: text for name, text in step.environment.items() if name not in texts}
    image = resolved("image", step.image) if mapping.is_mapped(step.image) else step.image
    return replace(step, image=image, environment=plain), {**variables, **own}


def _refers(context: Context, text: str) -> bool:
    """Whether a variable is a reference; with outputs, as Vela has them, one that begins with ``$`` is such."""
    return mapping.is_mapped(text) and not (context.job.plan.outputs and text.startswith("$"))


def fetch_at_start(step: Step | Service) -> bool | None:
    """Return how an image is pulled right before the start; None where that is not the time, see ``Start.fetch``."""
    match step.pull:
        case PullPolicy.ON_START:
            return True
        case PullPolicy.NEVER:
            return None
        case pull:
            known = not isinstance(step, Step) or not _late_image(step)
            return None if known else pull is PullPolicy.ALWAYS


def variables_of(context: Context, step: Step, stage: Address) -> dict[str, str]:
    """Return what a step is given: by the run, by its own text, its secrets, and what steps have left for it.

    Of these the later ones count, but outputs take no place that is taken. A variable of its text that is ``$NAME``,
    and nothing else, is the output of that name (``internal/outputs/process.go`` of go-vela/worker).

    Raises:
        InfrastructureError: the outputs cannot be read.
    """
    job = context.job
    secrets = {use.target: job.secrets[use.source] for use in step.secrets if use.source in job.secrets}
    given = {**job.plan.environment, **step.environment, **secrets}
    if not job.plan.outputs:
        return given
    left = context.outputs.read(stage)
    meant = {name: left.get(text[1:], text) for name, text in step.environment.items() if text.startswith("$")}
    return {**left, **given, **meant, **secrets}


def release_of(context: Context, start: Start) -> Release:
    """Return what an attempt learns at this moment, when it starts.

    Raises:
        InfrastructureError: the outputs cannot be read, or it is to see properties that there are not (``Inputs.check``
            tells that before a run).
    """
    address = start.spec.address
    try:
        stage = context.ledger.plan.stage(address.stage)
        config = context.job.inputs.config_of(stage) if start.spec.own_config else {}
    except UsageError as error:
        raise InfrastructureError(error.message, hint=error.hint) from error
    environment = {**start.environment(), **_told(context, address)}
    return Release(environment=environment, config=config, last=_is_last(context, address))


def _is_last(context: Context, address: Address) -> bool:
    """Whether nothing of the run is expected behind an attempt, however it ends."""
    stage = context.ledger.plan.stage(address.stage)
    step = stage.steps[-1]
    if step.name != address.step or step.retry or stage.retry or context.on_failure is not None:
        return False
    return context.ledger.ask(lambda state: state.others_done(stage))


def spec_of(context: Context, step: Step, address: Address) -> StepSpec:
    """Return what an attempt's container is made from; a detached step is reached by its name."""
    return StepSpec(
        address=address,
        image=step.image,
        commands=step.commands,
        entrypoint=step.entrypoint,
        environment={**context.job.plan.environment, **_shown(context, step)},
        defaults=_defaults(context, step, address),
        user=step.user,
        alias=step.name if step.detach else "",
        shell=step.shell,
        working_dir=step.working_dir,
        limits=step.limits,
        ulimits=step.ulimits,
        volumes=step.volumes,
        caches=step.caches,
        privileged=step.privileged,
        script=step.script,
        own_config=bool(context.ledger.plan.stage(address.stage).config),
    )


def _shown(context: Context, step: Step) -> dict[str, str]:
    """Return the variables that an engine may show: no references, and not what they mean."""
    hidden = {name for name, text in step.environment.items() if is_mapped(step) and _refers(context, text)}
    return {name: text for name, text in step.environment.items() if name not in hidden}


def _defaults(context: Context, step: Step, address: Address) -> dict[str, str]:
    plan = context.job.plan
    flags = {layout.MAPPED: is_mapped(step), layout.EVALUATES: step.evaluates}
    return {
        **context.job.inputs.variables(address.run, address.stage, plan.home, plan.workdir),
        layout.STEP: naming.returns(address),
        **{name: "1" for name, holds in flags.items() if holds},
    }


def depends(step: Step) -> bool:
    """Whether a container can be made only when its step's turn has come, because of what is to be filled in."""
    texts = (step.user, step.working_dir, *step.entrypoint)
    return _late_image(step) or (step.late and not all(map(_settled, texts)))


def _late_image(step: Step) -> bool:
    """Whether an image is known only when the step's turn has come."""
    return (step.late and not _settled(step.image)) or (is_mapped(step) and mapping.is_mapped(step.image))


def _settled(text: str) -> bool:
    """Whether nothing in a text is to be filled in."""
    try:
        return late(text, {}) == text
    except BadTemplateError:
        return False


def _told(context: Context, address: Address) -> dict[str, str]:
    stage = context.ledger.plan.stage(address.stage)
    step = next(step for step in stage.steps if step.name == address.step)

    def value(told: Told) -> str:
        if told in (Told.RUN_STATUS, Told.PIPELINE_STATUS):
            failed = context.ledger.ask(lambda state: state.run_status(stage)) is Status.FAILURE
            if told is Told.PIPELINE_STATUS:
                return "Failed" if failed else "Succeeded"
            return "failure" if failed else "running"
        moment = context.ledger.began if told is Told.RUN_STARTED else context.clock.now()
        return str(int(moment.timestamp()))

    return {name: value(told) for name, told in {**context.job.plan.told, **step.told}.items()}
