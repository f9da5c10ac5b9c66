"""Texts that can be references, and those that cannot."""

from typing import Final

from runner.dialects.findings import Findings, quoted
from runner.dialects.metalus.fields import Fields
from runner.dialects.nodes import Node, Scalar
from runner.plan import mapping
from runner.plan.mapping import MappingError

_MARKS: Final = ("!", "@", "#")


def check_text(text: Scalar, where: str, findings: Findings, *, path: bool = False) -> None:
    """Record a reference that cannot be read; ``where`` says what it is for. With ``path`` it needs no mark."""
    try:
        mapping.check(text.text, path=path)
    except MappingError as error:
        findings.error(text.place, f"{where}: {error.message}", error.hint)


def required(text: Scalar) -> tuple[str, ...]:
    """Return the globals without which a text means nothing.

    There are none of one that offers a choice, and of one that cannot be read, which was told.
    """
    try:
        return () if "||" in text.text else mapping.required(text.text)
    except MappingError:
        return ()


def refuse_references(fields: Fields, key: str) -> None:
    """Record references in a key whose texts go to the engine as they are written."""
    for text in fields.singles(key):
        if text.text.startswith(_MARKS) and mapping.is_mapped(text.text):
            message = f"{key!r} of {fields.what} is {quoted(text.text)}, and no reference can stand there"
            fields.findings.error(text.place, message, "it can in image, environment and parameters")


def tell_empty(node: Node, where: str, findings: Findings) -> None:
    """Warn of a value that is not there, where one was probably meant: to YAML ``#name`` is a comment."""
    if isinstance(node, Scalar) and node.is_null:
        hint = "put one that begins with '#' in quotes; write '' for an empty text"
        findings.warning(node.place, f"{where} has no value", hint)
