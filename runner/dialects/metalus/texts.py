"""Texts that can be references, and those that cannot."""

import re
from collections.abc import Iterator
from typing import Final

from runner.dialects.findings import Findings, quoted
from runner.dialects.metalus.fields import Fields
from runner.dialects.nodes import Node, Scalar
from runner.plan import mapping
from runner.plan.mapping import MappingError

_BACKSLASH: Final = "\\"
_MARKS: Final = ("!", "@", "#")
_BEGIN: Final = re.compile(r"\s*(?=[!@#$]\w)")
_TOKEN: Final = re.compile(r"[!@#]\{|\|\|")


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


def literal(text: str) -> str:
    """Return what means this very text where references are looked for; a backslash before a mark may get lost."""
    return "".join(_escaped(text)) if mapping.is_mapped(text) else text


def _escaped(text: str) -> Iterator[str]:
    """Yield a text with a backslash at each place where a reference could begin."""
    done, begins, last = 0, True, text.rfind("}")
    while done < len(text):
        begin = _BEGIN.match(text, done) if begins else None
        if begin:
            yield f"{begin[0]}{_BACKSLASH}"
            done = begin.end()
        token = _TOKEN.search(text, done)
        yield text[done : token.start() if token else len(text)]
        if token is None:
            return
        begins, done = token[0] == "||", token.end()
        if not begins and done <= last:
            done = text.index("}", done) + 1
        yield f"{'' if begins else _BACKSLASH}{text[token.start() : done]}"


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
