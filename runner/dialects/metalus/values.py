"""What the steps of an execution know beside results: globals, links, and values that are preset for pipelines."""

from collections.abc import Mapping
from dataclasses import field
from typing import Final

from runner.dialects.data import data_of, texts_of
from runner.dialects.findings import quoted
from runner.dialects.metalus.fields import Fields
from runner.dialects.metalus.keys import LINKS
from runner.dialects.metalus.texts import check_text, tell_empty
from runner.dialects.metalus.weights import weight
from runner.dialects.nodes import Mapping as Map
from runner.dialects.nodes import Node, Scalar, Sequence
from runner.errors import Place
from runner.plan import mapping
from runner.plan.model import Json
from runner.records import record

_KEY: Final = "globals"
_PRESETS: Final = "pipelineParameters"
_BOOLEANS: Final = {"true": True, "false": False}


@record
class Link:
    """A short name of a reference, and where it stands; ``weight`` is what it counts (``weights``)."""

    value: Json
    place: Place
    weight: int = 0


@record
class Values:
    """Globals and links; ``texts`` are those of the globals, which can be references.

    ``linked`` says that there are links, if only none. ``weight`` is what they count (``weights``).
    """

    globals: Mapping[str, Json] = field(default_factory=dict)
    links: Mapping[str, Link] = field(default_factory=dict)
    linked: bool = False
    texts: tuple[Scalar, ...] = ()
    weight: int = 0

    def over(self, others: "Values") -> "Values":
        """Return these over others. Links are one global: they replace the others' as a whole."""
        return Values(
            globals={**others.globals, **self.globals},
            links=self.links if self.linked else others.links,
            linked=self.linked or others.linked,
            texts=self.texts,
            weight=self.weight + others.weight,
        )


def values_from(parameters: Mapping[str, str]) -> Values:
    """Return what whoever asks for the run gives as globals, the root globals of Metalus (``utils/DriverUtils.scala``).

    ``true`` and ``false`` are booleans there. All else is text from outside, in which references mean nothing.
    """
    globals_ = {name: _BOOLEANS.get(text, mapping.literal(text)) for name, text in parameters.items()}
    return Values(globals=globals_, weight=sum(len(name) + len(text) for name, text in parameters.items()))


def read_values(fields: Fields) -> Values | None:
    """Return the globals of an application or execution, its links apart; None where it has none, ``{}`` is some."""
    node = fields.mapping(_KEY)
    if node is None:
        return None
    links = node.get(LINKS)
    texts: list[Scalar] = []
    for entry in node.entries:
        for text in texts_of(entry.value) if entry.key.text != LINKS else ():
            check_text(text, f"the global {quoted(entry.key.text)} of {fields.what}", fields.findings)
            texts.append(text)
    return Values(
        globals={entry.key.text: data_of(entry.value) for entry in node.entries if entry.key.text != LINKS},
        links=_links(fields, links) if links else {},
        linked=links is not None,
        texts=tuple(texts),
        weight=weight(node),
    )


@record
class Presets:
    """Values that are preset, by pipeline; ``weight`` is what they count (``weights``)."""

    by_pipeline: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    weight: int = 0


def read_presets(fields: Fields) -> Presets | None:
    """Return the values that are preset for each pipeline; None where there is no such key.

    Metalus has a list of maps under ``parameters``, each with ``pipelineId`` and ``parameters``; a map of maps, by
    pipeline, means the same.
    """
    node = fields.mapping(_PRESETS)
    if node is None:
        return None
    listed = node.get("parameters")
    if isinstance(listed, Sequence):
        named = [_listed(fields, item) for item in listed.items]
    else:
        named = [(entry.key.text, entry.value) for entry in node.entries]
    found: dict[str, dict[str, Json]] = {}
    for name, values in named:
        if isinstance(values, Map):
            found[name] = {**found.get(name, {}), **{entry.key.text: data_of(entry.value) for entry in values.entries}}
        elif not (isinstance(values, Scalar) and values.is_null):
            message = f"{_PRESETS!r} of {fields.what} has no map of values for the pipeline {quoted(name)}"
            fields.findings.error(values.place, message, "write NAME: VALUE below the id of the pipeline")
    return Presets(by_pipeline=found, weight=weight(node))


def _links(fields: Fields, node: Node) -> dict[str, Link]:
    if not isinstance(node, Map):
        if not (isinstance(node, Scalar) and node.is_null):
            message = f"{LINKS!r} of {fields.what} is no map"
            fields.findings.error(node.place, message, "write short names, each with a reference")
        return {}
    for entry in node.entries:
        where = f"the link {quoted(entry.key.text)} of {fields.what}"
        tell_empty(entry.value, where, fields.findings)
        for text in texts_of(entry.value):
            check_text(text, where, fields.findings)
    return {
        entry.key.text: Link(value=data_of(entry.value), place=entry.value.place, weight=weight(entry.value))
        for entry in node.entries
        if not (isinstance(entry.value, Scalar) and entry.value.is_null)
    }


def _listed(fields: Fields, item: Node) -> tuple[str, Node]:
    """Return a pipeline and its presets, as an entry of Metalus' list has them."""
    named = item.get("pipelineId") if isinstance(item, Map) else None
    values = item.get("parameters") if isinstance(item, Map) else None
    if not isinstance(named, Scalar) or named.is_null:
        message = f"{_PRESETS!r} of {fields.what} holds an entry without 'pipelineId'"
        fields.findings.error(item.place, message, "write {pipelineId: ID, parameters: {NAME: VALUE}}")
        return "", Map(entries=(), place=item.place)
    return named.text, Map(entries=(), place=item.place) if values is None else values
