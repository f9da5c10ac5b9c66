"""Values of a file as JSON data: globals, links, and the values of forks."""

import re
from collections.abc import Iterator
from typing import Final

from runner.dialects.nodes import Mapping, Node, Scalar, Sequence
from runner.plan.model import Json

_WORDS: Final = {"true": True, "false": False}
# An integer of more digits is read as another number by many who read JSON.
_INTEGER: Final = re.compile("-?[1-9][0-9]{0,17}|0")
_FLOAT: Final = re.compile(r"-?[0-9]+\.[0-9]+(?:e[-+][0-9]+)?")


def data_of(node: Node) -> Json:
    """Return a value of a file as data; the keys of maps are texts, as they are written.

    Of words without quotes only those have another type whose spelling that type gives back: ``true``, ``false``, null
    in any spelling of YAML's, and numbers such as ``42`` and ``1.5``. All others stay texts: ``1.20``, ``007``,
    ``1e3``, ``yes``, ``True``.
    """
    match node:
        case Scalar():
            return _single(node)
        case Sequence():
            return [data_of(item) for item in node.items]
        case Mapping():
            return {entry.key.text: data_of(entry.value) for entry in node.entries}


def texts_of(node: Node) -> Iterator[Scalar]:
    """Yield the texts that ``data_of`` returns or puts into lists and maps, each with its place."""
    match node:
        case Scalar():
            if isinstance(_single(node), str):
                yield node
        case Sequence():
            for item in node.items:
                yield from texts_of(item)
        case Mapping():
            for entry in node.entries:
                yield from texts_of(entry.value)


def _single(scalar: Scalar) -> Json:
    if not scalar.plain:
        return scalar.text
    if scalar.is_null:
        return None
    return _WORDS[scalar.text] if scalar.text in _WORDS else _number(scalar.text)


def _number(text: str) -> int | float | str:
    """Return the number that a text is, if it is spelled as that number is; else the text."""
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) and repr(float(text)) == text else text
