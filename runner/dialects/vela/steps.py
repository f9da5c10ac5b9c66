"""The steps and services of a pipeline."""

from collections.abc import Mapping as Variables
from dataclasses import dataclass

from runner.dialects.source import Mapping, Node, quoted
from runner.dialects.vela.environment import read_environment
from runner.dialects.vela.fields import Fields, title
from runner.dialects.vela.keys import SERVICE, STEP, Keys, check_keys
from runner.dialects.vela.rulesets import WrittenRuleset, read_ruleset
from runner.dialects.vela.secrets import read_uses
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


def read_name(fields: Fields, name: str) -> Named:
    """Return a name with its place; one that would break the lines of a log is an error."""
    place = fields.place("name")
    if not name.isprintable():
        fields.findings.error(place, f"the name {quoted(name)} holds a control character", "keep to one line of text")
    return Named(name=name, place=place)


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
    named = read_name(fields, step.name)
    return WrittenStep(step=step, named=named, ruleset=ruleset, secrets=tuple(source for _, source in uses))


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
    return WrittenService(service=service, named=read_name(fields, service.name), ruleset=read_ruleset(fields))
