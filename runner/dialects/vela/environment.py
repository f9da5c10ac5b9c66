"""The variables of steps and services: what the pipeline says, and what stands over it.

From weak to strong, as in go-vela/server ``compiler/native/environment.go``: the pipeline's ``environment``, a stage's,
a step's, the default variables, those that whoever asks for the run gives, and the step's ``parameters``.
"""

from collections.abc import Mapping as Variables
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Final

from runner.dialects.source import Findings, Mapping, quoted
from runner.dialects.vela import references
from runner.dialects.vela.fields import Fields, Substitute
from runner.errors import Place
from runner.plan import substitution
from runner.plan.substitution import BadTemplateError
from runner.records import record

_KEY: Final = "environment"
_PARAMETERS: Final = "parameters"
_PER_EXPANSION: Final = 256
"""How many characters can be copied in the time in which one ``${...}`` is read."""


@record
class Variable:
    """A variable as it was written."""

    name: str
    value: str
    place: Place


@record
class Environment:
    """The variables of one container.

    ``written`` come from the file and may refer to others, ``given`` are taken as they are. ``known`` is everything
    whose value is known now, for substitution. ``places`` are those of the variables that an ``environment`` holds.
    Where nobody knows why the pipeline runs it is not ``complete``, and what might be known then stays as it stands.
    In a file that is ``mapped`` values may be references.
    """

    written: Variables[str, str]
    places: Variables[str, Place] = field(default_factory=dict)
    given: Variables[str, str]
    known: Variables[str, str]
    complete: bool = True
    mapped: bool = False
    work: "Work" = field(default_factory=lambda: Work())  # noqa: PLW0108 - it is defined below

    def early(self, text: str) -> str:
        """Put the variables into a text of the file; one that nobody knows yet is left as it stands."""
        return self.work.done(text, substitution.early(text, self.known))

    def early_again(self, text: str) -> str:
        """Do so in a text that is looked at again before the start.

        What comes from outside, such as the message of a commit, must not be read as a variable then. What could not be
        read then fails now.
        """
        found = self.work.done(text, substitution.early(text, self.known, self._outside))
        return readable(found) if "$" in found else found

    def early_mapped(self, text: str) -> str:
        """Do so in a text that may be a reference; only one that is none is looked at again.

        What could make it one is put in right before the start, when references have been looked for.
        """
        if not self.mapped:
            return self.early_again(text)
        if references.is_reference(text):
            if self.complete:
                references.check_variables(text, self._harmless, self.known)
            return references.checked(self.early(text))
        found = readable(self.work.done(text, substitution.early(text, self._harmless, self._outside)))
        return found if "${" in found or "$$" in found else references.literal(found)

    @cached_property
    def _outside(self) -> frozenset[str]:
        return frozenset(self.known.keys() - self.written.keys())

    @cached_property
    def _harmless(self) -> dict[str, str]:
        """What is known now, but for values from outside that could turn a text into a reference."""
        return {
            name: value
            for name, value in self.known.items()
            if name in self.written or not references.could_refer(value)
        }

    def late(self, text: str) -> str:
        """Put the variables into a text that is not looked at again; one that nobody knows is empty."""
        if not self.complete:
            return self.early(text)
        return self.work.done(text, substitution.late(text, self.known))

    def early_values(self, fields: Fields) -> dict[str, str]:
        """Return the values of the file, as ``early_mapped`` leaves them."""
        return self._values(fields, self.early_mapped)

    def late_values(self, fields: Fields) -> dict[str, str]:
        """Return the final values of all variables."""
        return {**self._values(fields, self.late), **self.given}

    def unchanged_values(self, fields: Fields) -> dict[str, str]:
        """Return the values of the file as they are written, for a look at them right before the start."""
        return self._values(fields, readable)

    def compared(self, fields: Fields) -> dict[str, str]:
        """Return what the expressions of rulesets compare: everything known, with its own variables put in."""
        values = self._values(fields, self.early)
        return {name: values.get(name, value) for name, value in self.known.items()}

    def _values(self, fields: Fields, substitute: Substitute) -> dict[str, str]:
        values: dict[str, str] = {}
        for name, value in self.written.items():
            try:
                values[name] = substitute(value)
            except BadTemplateError as error:
                place = self.places.get(name) or fields.place(_PARAMETERS)
                fields.findings.error(place, f"variable {name}: {error}", error.hint)
        return values


def readable(text: str) -> str:
    """Return a text that will be substituted later; raises ``BadTemplateError`` if it cannot be."""
    substitution.names(text)
    return text


@dataclass
class Work:
    """What one pipeline may still make of its variables: a few lines of it can ask for gigabytes."""

    characters: int = 64 * 1024 * 1024
    variables: int = 1_000_000  # of all containers together

    def done(self, template: str, text: str) -> str:
        """Count what has become of a text of the file, and return it; raises ``BadTemplateError`` at too much."""
        self.characters -= len(text) + template.count("${") * _PER_EXPANSION
        if self.characters < 0:
            raise BadTemplateError(template, "makes the pipeline too long", "pass so much data in a file")
        return text

    def data(self, size: int, fields: Fields) -> None:
        """Count the globals and links of one stage, in characters; ends the reading when they are too many."""
        self.characters -= size
        if self.characters < 0:
            message = "there are too many globals and links, counted once for each stage"
            fields.findings.fail(fields.node.place, message, "keep data in a file")

    def given(self, scope: "Scope", fields: Fields) -> None:
        """Count the variables of one container; ends the reading when they are too many."""
        self.variables -= len(scope.written)
        if self.variables < 0:
            message = "there are too many variables, counted once for each step"
            fields.findings.fail(fields.place(_KEY), message, "keep data in a file")


@record
class Scope:
    """What stands around a step. ``defaults`` are the values known now of ``reserved``, which no file can override.

    ``given`` comes from whoever asks for the run. ``complete`` and ``mapped`` are those of ``Environment``. All scopes
    of a pipeline share its ``work``.
    """

    written: Variables[str, Variable] = field(default_factory=dict)
    defaults: Variables[str, str] = field(default_factory=dict)
    reserved: frozenset[str] = frozenset()
    given: Variables[str, str] = field(default_factory=dict)
    complete: bool = True
    mapped: bool = False
    work: Work = field(default_factory=Work)

    def within(self, fields: Fields) -> "Scope":
        """Return the scope inside of a map with an ``environment`` of its own."""
        inner = replace(self, written={**self.written, **read_environment(fields, self.reserved)})
        self.work.given(inner, fields)
        return inner

    def environment(
        self, own: Variables[str, str] = MappingProxyType({}), parameters: Variables[str, str] = MappingProxyType({})
    ) -> Environment:
        """Return the variables of a container; ``own`` are its own default variables, ``parameters`` win over all."""
        given = {name: value for name, value in {**own, **self.given}.items() if name not in parameters}
        variables = {name: variable for name, variable in self.written.items() if name not in given}
        written = {**{name: variable.value for name, variable in variables.items()}, **parameters}
        # What a reference means is known only when its step starts.
        values = {name: text for name, text in written.items() if not (self.mapped and references.is_reference(text))}
        return Environment(
            written=written,
            places={name: variable.place for name, variable in variables.items() if name not in parameters},
            given=given,
            known={**values, **self.defaults, **given},
            complete=self.complete,
            mapped=self.mapped,
            work=self.work,
        )


def read_environment(fields: Fields, reserved: frozenset[str] = frozenset()) -> dict[str, Variable]:
    """Return the variables: of a map, a list of ``KEY=VALUE`` or a single one (``raw/map.go`` of go-vela/server).

    A null value is the empty string. A ``reserved`` name is left out, with a warning.
    """
    value = fields.value(_KEY)
    variables = _of_map(fields, value) if isinstance(value, Mapping) else _of_list(fields)
    for variable in variables:
        check_name(variable.name, variable.place, f"in the environment of {fields.what}", fields.findings)
        if variable.name in reserved:
            message = f"{variable.name} is a variable of the run, whose value cannot be changed here"
            fields.findings.warning(variable.place, message, "choose another name, or give it with --env")
    return {variable.name: variable for variable in variables if variable.name not in reserved}


def check_name(name: str, place: Place, where: str, findings: Findings) -> None:
    """Record a name that no variable can have; the loader lets no NUL through."""
    if not name or not {"=", "\n"}.isdisjoint(name):
        message = f"{quoted(name)} {where} cannot be the name of a variable"
        findings.error(place, message, "a name is not empty, and has no '=' and no newline")


def _of_map(fields: Fields, value: Mapping) -> list[Variable]:
    variables: list[Variable] = []
    for entry in value.entries:
        item = fields.item(_KEY, entry.value)
        text = "" if item is None or item.is_null else item.text
        variables.append(Variable(name=entry.key.text, value=text, place=entry.key.place))
    return variables


def _of_list(fields: Fields) -> list[Variable]:
    variables: list[Variable] = []
    for item in fields.scalars(_KEY):
        name, equals, text = item.text.partition("=")
        if not equals:
            message = f"{quoted(item.text)} in the environment of {fields.what} has no value"
            fields.findings.error(item.place, message, "write NAME=VALUE, or a map")
            continue
        variables.append(Variable(name=name, value=text, place=item.place))
    return variables
