"""The ``environment`` of a pipeline, stage, step or service."""

from dataclasses import dataclass

from runner.dialects.source import Findings, Mapping, quoted
from runner.dialects.vela.fields import Fields
from runner.errors import Place

_KEY = "environment"


@dataclass(frozen=True, kw_only=True)
class _Variable:
    name: str
    value: str
    place: Place


def read_environment(fields: Fields) -> dict[str, str]:
    """Return the variables: of a map, a list of ``KEY=VALUE`` or a single one (``raw/map.go`` of go-vela/server).

    A null value is the empty string.
    """
    value = fields.value(_KEY)
    variables = _of_map(fields, value) if isinstance(value, Mapping) else _of_list(fields)
    for variable in variables:
        check_name(variable.name, variable.place, f"in the environment of {fields.what}", fields.findings)
    return {variable.name: variable.value for variable in variables}


def check_name(name: str, place: Place, where: str, findings: Findings) -> None:
    """Record a name that no variable can have; the loader lets no NUL through."""
    if not name or not {"=", "\n"}.isdisjoint(name):
        message = f"{quoted(name)} {where} cannot be the name of a variable"
        findings.error(place, message, "a name is not empty, and has no '=' and no newline")


def _of_map(fields: Fields, value: Mapping) -> list[_Variable]:
    variables: list[_Variable] = []
    for entry in value.entries:
        item = fields.item(_KEY, entry.value)
        text = "" if item is None or item.is_null else item.text
        variables.append(_Variable(name=entry.key.text, value=text, place=entry.key.place))
    return variables


def _of_list(fields: Fields) -> list[_Variable]:
    variables: list[_Variable] = []
    for item in fields.scalars(_KEY):
        name, equals, text = item.text.partition("=")
        if not equals:
            message = f"{quoted(item.text)} in the environment of {fields.what} has no value"
            fields.findings.error(item.place, message, "write NAME=VALUE, or a map")
            continue
        variables.append(_Variable(name=name, value=text, place=item.place))
    return variables
