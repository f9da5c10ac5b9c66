"""The steps and services of a pipeline."""

from collections.abc import Mapping as Variables
from dataclasses import field, replace

from runner.dialects.definitions import Kind
from runner.dialects.source import Findings, Mapping, Node, quoted
from runner.dialects.vela import defaults
from runner.dialects.vela.containers import (
    read_artifacts,
    read_caches,
    read_limits,
    read_ready,
    read_ulimits,
    read_volumes,
)
from runner.dialects.vela.environment import Scope, read_environment
from runner.dialects.vela.fields import Fields, title
from runner.dialects.vela.parameters import read_parameters
from runner.dialects.vela.references import BadReferenceError, checked, literal
from runner.dialects.vela.rulesets import WrittenRuleset, read_ruleset
from runner.dialects.vela.secrets import read_uses
from runner.naming import ORIGINS, SERVICES
from runner.plan.graph import Named
from runner.plan.model import PullPolicy, Service, Step
from runner.plan.substitution import BadTemplateError, escaped, names
from runner.records import record

STEPS, EVALUATE = "steps", "evaluate"
"""The keys that steps stand under, which are the names of their pipelines in references."""

_NAME = "each needs a name of its own"


@record
class WrittenStep:
    """A step as it was written; ``secrets`` are the sources of those that it asks for.

    ``variables`` are those that its ruleset is judged with.
    """

    step: Step
    named: Named
    ruleset: WrittenRuleset
    secrets: tuple[Named, ...] = ()
    variables: Variables[str, str] = field(default_factory=dict)


@record
class WrittenService:
    """A service as it was written; ``variables`` as those of a step."""

    service: Service
    named: Named
    ruleset: WrittenRuleset
    variables: Variables[str, str] = field(default_factory=dict)


def read_steps(parent: Fields, scope: Scope, stage: str = "", key: str = STEPS) -> tuple[WrittenStep, ...]:
    """Return the steps of a pipeline or stage; where there are references, ``key`` is the pipeline that they make.

    A step needs a name and an image. Unlike in Vela, it needs nothing to do besides.
    """
    fields = (_open(node, parent.kind_in(key), parent) for node in parent.items(key))
    steps = tuple(_read_step(step, scope, stage) for step in fields if step)
    return tuple(_of_pipeline(step, key) for step in steps) if scope.mapped else steps


def _of_pipeline(written: WrittenStep, pipeline: str) -> WrittenStep:
    step = written.step
    return replace(written, step=replace(step, pipeline=pipeline, id=step.name, evaluates=pipeline == EVALUATE))


def read_services(pipeline: Fields, scope: Scope) -> tuple[WrittenService, ...]:
    """Return the services (``compiler/types/yaml/service.go`` of go-vela/server)."""
    fields = (_open(node, pipeline.kind_in("services"), pipeline) for node in pipeline.items("services"))
    return tuple(_read_service(service, scope) for service in fields if service)


def read_name(findings: Findings, named: Named) -> Named:
    """Return a name that can be used; one that would break the lines of a log, or is taken, is an error."""
    if not named.name.isprintable():
        findings.error(
            named.place, f"the name {quoted(named.name)} holds a control character", "keep to one line of text"
        )
    if named.name in (SERVICES, ORIGINS):
        findings.error(named.place, f"nothing can be named {quoted(named.name)}", "choose another name")
    return named


def _open(node: Node, kind: Kind, parent: Fields) -> Fields | None:
    if not isinstance(node, Mapping):
        message = f"a {kind.name} of {parent.what} is not a map"
        parent.findings.error(node.place, message, "write its name and image")
        return None
    return Fields(node, title(node, kind.name), parent.findings, kind).checked()


def _read_step(raw: Fields, scope: Scope, stage: str) -> WrittenStep:
    inner, parameters = scope.within(raw), read_parameters(raw, mapped=scope.mapped)
    named = raw.substituting(inner.environment(parameters=parameters).early)
    own = defaults.of_step(stage=stage, name=named.text("name"), image=named.text("image"))
    environment = inner.environment(own, parameters)
    fields, again = raw.substituting(environment.early), raw.substituting(environment.early_again)
    uses, ruleset = read_uses(fields), read_ruleset(fields)
    step = Step(
        name=fields.required("name", _NAME),
        image=_read_image(raw.substituting(environment.early_mapped)),
        commands=fields.texts("commands"),
        entrypoint=again.texts("entrypoint"),
        secrets=tuple(use for use, _ in uses),
        pull=fields.pull(),
        detach=fields.flag("detach"),
        user=again.text("user"),
        ruleset=ruleset.ruleset,
        timeout=fields.timeout(),
        retry=fields.retry(),
        shell=fields.text("shell"),
        working_dir=again.text("working_dir"),
        limits=read_limits(fields),
        ulimits=read_ulimits(fields),
        volumes=read_volumes(fields),
        caches=read_caches(fields, environment.known.get("VELA_REPO_FULL_NAME", "")),
        artifacts=read_artifacts(fields),
        privileged=fields.flag("privileged"),
    )
    _check_detached(fields, step)
    _check_image(fields, step, inner)
    return WrittenStep(
        step=finish_late(step, environment.early_values(raw), environment.given, mapped=scope.mapped),
        named=read_name(fields.findings, Named(name=step.name, place=fields.place("name"))),
        ruleset=ruleset,
        secrets=tuple(source for _, source in uses),
        variables=environment.compared(raw) if ruleset.expressions else {},
    )


def _read_image(fields: Fields) -> str:
    """Return the image of a step; one with a template has none, and is refused already."""
    return "" if fields.value("template") else fields.required("image", "name the image that it runs in")


def finish_late(step: Step, values: Variables[str, str], given: Variables[str, str], *, mapped: bool = False) -> Step:
    """Return a step with its environment: ``values`` of the file, and others that are ``given`` as they are.

    If anything in it still refers to a variable it is looked at once more right before the start (``Step.late``), and
    what is given must be escaped. In a file that is ``mapped`` so must be what looks like a reference, in which nobody
    looks for variables; the variable that holds the image refers to what the image does.
    """
    plain = {name: literal(value) if mapped and value != step.image else value for name, value in given.items()}
    texts = (step.image, step.user, step.working_dir, *step.entrypoint, *values.values())
    if not any("${" in text or "$$" in text for text in texts):
        return replace(step, environment={**values, **plain})
    guarded = {name: text if text != given[name] else escaped(text) for name, text in plain.items()}
    return replace(step, environment={**values, **guarded}, late=True)


def _check_image(fields: Fields, step: Step, scope: Scope) -> None:
    """Refuse an image that cannot be read; warn of a variable in it that may come from an earlier step.

    Vela asks for ``on_start`` then.
    """
    try:
        if scope.mapped and "$" not in step.image:  # with variables it was read as they were put in
            checked(step.image)
    except BadReferenceError as error:
        fields.findings.error(fields.place("image"), f"'image' of {fields.what}: {error}", error.hint)
    try:
        unknown = names(step.image) - scope.reserved - scope.written.keys()
    except BadTemplateError:
        return  # told where it was read
    if unknown and step.pull not in (PullPolicy.ON_START, PullPolicy.NEVER):
        message = f"nothing sets {', '.join(sorted(unknown))} for the image of {fields.what}"
        hint = "if a step before leaves it in $VELA_OUTPUTS, write pull: on_start; else give it with --env"
        fields.findings.warning(fields.place("image"), message, hint)


def _check_detached(fields: Fields, step: Step) -> None:
    for key, given in (("timeout", step.timeout is not None), ("retry", step.retry > 0)):
        if step.detach and given:
            message = f"{fields.what} is detached, and nobody waits for it: '{key}' means nothing"
            fields.findings.error(fields.place(key), message, f"leave out '{key}' or 'detach'")
    if step.detach and step.artifacts:
        message = f"{fields.what} is detached, and nobody waits for its artifacts"
        fields.findings.warning(fields.place("artifacts"), message, "they are not copied out")


def _check_workspace(service: Fields) -> None:
    """Warn of a service that waits for files which it will never see; Vela mounts the workspace there."""
    texts = (*service.texts("entrypoint"), *(variable.value for variable in read_environment(service).values()))
    if any("VELA_WORKSPACE" in text or f"{defaults.HOME}/" in text for text in texts):
        message = f"{service.what} names the workspace, and services see none"
        service.findings.warning(service.place("entrypoint"), message, "a step with 'detach: true' sees it")


def _read_service(raw: Fields, scope: Scope) -> WrittenService:
    inner = scope.within(raw)
    named = raw.substituting(inner.environment().late)
    environment = inner.environment(defaults.of_service(name=named.text("name"), image=named.text("image")))
    fields = raw.substituting(environment.late)
    ruleset = read_ruleset(fields)
    _check_workspace(raw)
    service = Service(
        name=fields.required("name", _NAME),
        image=fields.required("image", "name the image that it runs"),
        entrypoint=fields.texts("entrypoint"),
        environment=environment.late_values(raw),
        pull=fields.pull(),
        user=fields.text("user"),
        ulimits=read_ulimits(fields),
        privileged=fields.flag("privileged"),
        ready=read_ready(fields),
    )
    return WrittenService(
        service=service,
        named=read_name(fields.findings, Named(name=service.name, place=fields.place("name"))),
        ruleset=ruleset,
        variables=environment.compared(raw) if ruleset.expressions else {},
    )
