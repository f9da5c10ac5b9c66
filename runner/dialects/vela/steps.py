"""The steps and services of a pipeline."""

from collections.abc import Mapping as Variables
from dataclasses import dataclass

from runner.dialects.source import Findings, Mapping, Node, quoted
from runner.dialects.vela.environment import read_environment
from runner.dialects.vela.fields import Fields, title
from runner.dialects.vela.keys import SERVICE, STEP, Keys, check_keys
from runner.dialects.vela.rulesets import WrittenRuleset, read_ruleset
from runner.dialects.vela.secrets import read_uses
from runner.naming import SERVICES
from runner.plan.graph import Named
from runner.plan.model import Service, Step

_NAME = "each needs a name of its own"


@dataclass(frozen=True, kw_only=True)
class WrittenStep:
    """A step as it was written; ``secrets`` are the sources of those that it asks for."""

    step: Step
    named: Named
    ruleset: WrittenRuleset
    secrets: tuple[Named, ...] = ()


@dataclass(frozen=True, kw_only=True)
class WrittenService:
    """A service as it was written."""

    service: Service
    named: Named
    ruleset: WrittenRuleset


def read_steps(parent: Fields, inherited: Variables[str, str]) -> tuple[WrittenStep, ...]:
    """Return the steps of a pipeline or stage; ``inherited`` is the environment around them, which theirs overrides.

    A step needs a name and an image. Unlike in Vela, it needs nothing to do besides.
    """
    fields = (_open(node, "step", STEP, parent) for node in parent.items("steps"))
    return tuple(_read_step(step, inherited) for step in fields if step)


def read_services(pipeline: Fields, inherited: Variables[str, str]) -> tuple[WrittenService, ...]:
    """Return the services (``compiler/types/yaml/service.go`` of go-vela/server)."""
    fields = (_open(node, "service", SERVICE, pipeline) for node in pipeline.items("services"))
    return tuple(_read_service(service, inherited) for service in fields if service)


def read_name(findings: Findings, named: Named) -> Named:
    """Return a name that can be used; one that would break the lines of a log, or is taken, is an error."""
    if not named.name.isprintable():
        findings.error(
            named.place, f"the name {quoted(named.name)} holds a control character", "keep to one line of text"
        )
    if named.name == SERVICES:
        findings.error(named.place, f"nothing can be named {quoted(named.name)}", "choose another name")
    return named


def _open(node: Node, kind: str, keys: Keys, parent: Fields) -> Fields | None:
    if not isinstance(node, Mapping):
        parent.findings.error(node.place, f"a {kind} of {parent.what} is not a map", "write its name and image")
        return None
    fields = Fields(node, title(node, kind), parent.findings)
    check_keys(node, keys, fields.what, fields.findings)
    return fields


def _read_step(fields: Fields, inherited: Variables[str, str]) -> WrittenStep:
    uses = read_uses(fields)
    ruleset = read_ruleset(fields)
    step = Step(
        name=fields.required("name", _NAME),
        image=fields.required("image", "name the image that it runs in"),
        commands=_read_commands(fields),
        entrypoint=fields.texts("entrypoint"),
        environment={**inherited, **read_environment(fields)},
        secrets=tuple(use for use, _ in uses),
        pull=fields.pull(),
        detach=fields.flag("detach"),
        user=fields.text("user"),
        ruleset=ruleset.ruleset,
        timeout=fields.timeout(),
        retry=fields.retry(),
    )
    named = read_name(fields.findings, Named(name=step.name, place=fields.place("name")))
    _check_detached(fields, step)
    return WrittenStep(step=step, named=named, ruleset=ruleset, secrets=tuple(source for _, source in uses))


def _check_detached(fields: Fields, step: Step) -> None:
    for key, given in (("timeout", step.timeout is not None), ("retry", step.retry > 0)):
        if step.detach and given:
            message = f"{fields.what} is detached, and nobody waits for it: '{key}' means nothing"
            fields.findings.error(fields.place(key), message, f"leave out '{key}' or 'detach'")


def _read_commands(fields: Fields) -> tuple[str, ...]:
    """Vela substitutes in commands, too, where ``$${`` stands for ``${``; here the shell sees all variables."""
    return tuple(item.text.replace("$${", "${") for item in fields.scalars("commands", variables=True))


def _read_service(fields: Fields, inherited: Variables[str, str]) -> WrittenService:
    service = Service(
        name=fields.required("name", _NAME),
        image=fields.required("image", "name the image that it runs"),
        entrypoint=fields.texts("entrypoint"),
        environment={**inherited, **read_environment(fields)},
        pull=fields.pull(),
        user=fields.text("user"),
    )
    return WrittenService(
        service=service,
        named=read_name(fields.findings, Named(name=service.name, place=fields.place("name"))),
        ruleset=read_ruleset(fields),
    )
