"""Texts that are no references, written so that they mean themselves."""

import re
from collections.abc import Iterator
from typing import Final

from runner.plan.mapping.references import MappingError, Text, read

_BACKSLASH: Final = "\\"
_BEGIN: Final = re.compile(r"\s*(?=[!@#$]\w)")
_TOKEN: Final = re.compile(r"[!@#]\{|\|\|")


def is_mapped(text: str) -> bool:
    """Whether a text is not simply itself: it has references, or escapes of such, even if they cannot be read."""
    try:
        return read(text) != (Text(pieces=(text,)),)
    except MappingError:
        return True


def literal(text: str) -> str:
    """Return what means this very text where references are looked for; a backslash before a mark may get lost."""
    return "".join(_escaped(text)) if is_mapped(text) else text


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
