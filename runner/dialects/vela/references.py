"""Which texts of a Vela file are references, and what may be put into them.

What a text refers to is decided before variables are put into it: a value from outside, such as the message of a
commit, never becomes a reference, nor a part of one.
"""

import re
from collections.abc import Collection
from typing import Final

from runner.dialects.data import texts_of
from runner.dialects.source import Findings, Node, quoted
from runner.plan import mapping, substitution
from runner.plan.mapping import MappingError
from runner.plan.mapping.references import read, references
from runner.plan.model import Json
from runner.plan.substitution import BadTemplateError

_COULD_REFER: Final = re.compile(r"\A\s*\\?[!@#]|[!@#]\{|\|\||[!@#\\]\Z")


class BadReferenceError(BadTemplateError):
    """A reference that cannot be read."""

    def __init__(self, error: MappingError) -> None:
        super().__init__(error.message, "", error.hint)
        self.message = error.message

    def __str__(self) -> str:
        """Return what is wrong; the reference is in it."""
        return self.message


def is_reference(text: str) -> bool:
    """Whether a text refers to something, or has escapes of references.

    What begins with ``$`` does not: ``$NAME`` is an output in a Vela file, or itself, as in Vela.
    """
    if text.startswith("$") or not mapping.is_mapped(text):
        return False
    try:
        found = tuple(references(read(text)))
    except MappingError:
        return True
    return not found or any(reference.mark != "$" for reference in found)


def could_refer(value: str) -> bool:
    """Whether a value could make a reference of a text that it is put into, or change one that stands there."""
    return _COULD_REFER.search(value) is not None


def data(value: Json) -> Json:
    """Return data of a file as the engine reads them: a text that begins with ``$`` is no reference here."""
    match value:
        case str():
            return f"\\{value}" if value.startswith("$") and mapping.is_mapped(value) else value
        case list():
            return [data(item) for item in value]
        case dict():
            return {name: data(item) for name, item in value.items()}
        case _:
            return value


def literal(text: str) -> str:
    """Return what means this very text where references are looked for.

    One that begins with ``$`` stays as it is. A backslash before a mark may get lost.
    """
    return text if text.startswith("$") else mapping.literal(text)


def checked(text: str) -> str:
    """Return a text; raises ``BadReferenceError`` for one that cannot be read."""
    try:
        mapping.check(text)
    except MappingError as error:
        raise BadReferenceError(error) from error
    return text


def check_variables(text: str, harmless: Collection[str], known: Collection[str]) -> None:
    """See that the variables in a reference are known, and do not change what it refers to.

    Raises:
        BadTemplateError: one is not, or does; or the text cannot be read.
    """
    for name in sorted(substitution.names(text) - set(harmless)):
        if name in known:
            reason, hint = "has a value that would change the reference around it", "give it a variable of its own"
        else:
            reason = "stands in a reference, and is known only when the step starts"
            hint = "give it a variable of its own, and let the step put both together"
        raise BadTemplateError(f"${{{name}}}", reason, hint)


def check_data(node: Node, what: str, findings: Findings, *, path: bool = False) -> None:
    """Record references in data that cannot be read, and warn of variables: those are put into steps only.

    ``what`` names the data in messages; ``path`` is that of ``mapping.check``.
    """
    for text in texts_of(node):
        try:
            mapping.check(text.text, path=path)
        except MappingError as error:
            findings.error(text.place, f"{what}: {error.message}", error.hint)
        if "${" in text.text:
            message = f"{what}: no variables are put in here, and {quoted(text.text)} stays as it is"
            findings.warning(text.place, message, "put them into the environment of a step")
