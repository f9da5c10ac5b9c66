r"""How references are written.

=============================  ========================================================================================
``!name.key[0]``               a link or a global, and what is in it
``@step``, ``@pipeline.step``  the primary return of a step of the same execution, of this or another pipeline
``#step.name``                 its named returns
``$name``                      all that a step has returned, or a value that is preset for the pipeline
``a !{name} b``                what ``!name`` is, in a text; also ``@{}`` and ``#{}``; ``${}`` belongs to others
``!a || !b || text``           the first of them that there is; also within braces
``\!name``, ``\!{name}``       no reference: the text without the backslash
=============================  ========================================================================================

As Metalus has it (``PipelineStepMapper.scala``), with less: there anything that begins with a mark is a reference, and
any ``||`` a choice. Here a reference begins with a letter, digit or ``_``, its first name has no blank unless it stands
in braces, and after ``$`` only letters, digits, ``_`` and ``-``: so ``#1 100%`` and ``$HOME/bin`` are texts. In a text
without references ``||`` is text, too.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from runner.errors import quoted
from runner.records import record

Part: TypeAlias = "str | int"
"""A key of a map, or an index of a list."""

_LONGEST_SHOWN: Final = 200
_OR: Final = "||"
_TOKEN: Final = re.compile(r"\\?[!@#]\{|\|\|")
_REFERENCE: Final = re.compile(r"[!@#](?=\w)[^\s.\[]*(?=[.\[]|\Z)|\$(?=\w)[\w-]*(?=[.\[]|\Z)")
_ESCAPED: Final = re.compile(r"(\s*)\\(?=[!@#$]\w)")
_NAME: Final = re.compile(r"[^.\[\]{}]+")
_PART: Final = re.compile(r"\.([^.\[\]{}]+)|\[(-?[0-9]{1,9})\]")


class MappingError(ValueError):
    """A reference that cannot be read, or means nothing: ``message`` says why, ``hint`` what would be right."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@record
class Reference:
    """``!A.list[0]``: its mark and its path, which begins with a name."""

    mark: str
    path: tuple[Part, ...]


@record
class Embedded:
    """``!{...}`` as it stands in a text."""

    source: str
    choices: tuple["Choice", ...]


@record
class Text:
    """A text, escapes resolved, in pieces: what comes of references stands between the others."""

    pieces: tuple["str | Embedded", ...]

    @property
    def is_plain(self) -> bool:
        """Whether no reference is in it."""
        return all(isinstance(piece, str) for piece in self.pieces)


Choice: TypeAlias = Reference | Text


def read(text: str) -> tuple[Choice, ...]:
    """Return what a text may mean, the first choice first; a text without references is one plain choice.

    Raises:
        MappingError: a reference in it cannot be read.
    """
    written = list(_split(text))
    choices = [_choice(source, pieces) for source, pieces in written]
    if all(isinstance(choice, Text) and choice.is_plain for choice in choices):
        return (Text(pieces=(_OR.join("".join(map(str, _unescaped(pieces))) for _, pieces in written),)),)
    if len(choices) == 1:
        return tuple(choices)
    return _there([source for source, _ in written], choices)


def read_path(text: str) -> tuple[Choice, ...]:
    """Return what a text means in whose place a path may stand, ``A.list`` for ``!A.list``; raises as ``read``."""
    choices = read(text)
    bare = len(choices) == 1 and isinstance(choices[0], Text) and choices[0].is_plain
    return (_reference("!", text.strip(), text),) if bare else choices


def references(choices: Iterable[Choice]) -> Iterator[Reference]:
    """Yield all references in what was read, also those in braces."""
    for choice in choices:
        if isinstance(choice, Reference):
            yield choice
        else:
            for piece in choice.pieces:
                if isinstance(piece, Embedded):
                    yield from references(piece.choices)


def shown(text: str) -> str:
    """Return a reference as messages show it: as written, unless it is endless or does not fit on a line."""
    return text if text.isprintable() and len(text) <= _LONGEST_SHOWN else quoted(text)


def _split(text: str) -> Iterator[tuple[str, list[str | Embedded]]]:
    """Yield each choice as it is written, and in pieces, the first and the last of which are strings."""
    last = text.rfind("}")
    pieces: list[str | Embedded] = []
    begin = done = 0
    while token := _TOKEN.search(text, done):
        pieces.append(text[done : token.start()])
        done = token.end()
        if token[0] == _OR:
            yield text[begin : token.start()], pieces
            pieces, begin = [], done
            continue
        escaped = token[0].startswith("\\")
        if last < done and not escaped:
            hint = f"close it, or write \\{token[0]} where the text itself is meant"
            raise MappingError(f"{shown(text)}: {token[0]} has no }} behind it", hint=hint)
        end = text.index("}", done) + 1 if last >= done else done
        pieces.append(text[token.start() + 1 : end] if escaped else _embedded(text[token.start() : end]))
        done = end
    yield text[begin:], [*pieces, text[done:]]


def _choice(source: str, pieces: list[str | Embedded]) -> Choice:
    source = source.strip()
    if _REFERENCE.match(source):
        return _reference(source[0], source[1:], source)
    return Text(pieces=tuple(_unescaped(pieces)))


def _unescaped(pieces: list[str | Embedded]) -> list[str | Embedded]:
    """Return the pieces without a backslash before the mark that a choice begins with."""
    first = pieces[0]
    escape = _ESCAPED.match(first) if isinstance(first, str) else None
    return [escape[1] + escape.string[escape.end() :], *pieces[1:]] if escape else pieces


def _there(sources: Sequence[str], choices: Sequence[Choice]) -> tuple[Choice, ...]:
    """Return choices without the blanks around them, and without those that are empty; the last may be."""
    last = len(choices) - 1
    return tuple(_trimmed(choice) for index, choice in enumerate(choices) if sources[index].strip() or index == last)


def _trimmed(choice: Choice) -> Choice:
    if isinstance(choice, Reference):
        return choice
    pieces = list(choice.pieces)
    pieces[0] = pieces[0].lstrip() if isinstance(pieces[0], str) else pieces[0]
    pieces[-1] = pieces[-1].rstrip() if isinstance(pieces[-1], str) else pieces[-1]
    return Text(pieces=tuple(pieces))


def _embedded(source: str) -> Embedded:
    mark, content = source[0], source[2:-1]
    if nested := re.search(r"[!@#]\{", content):
        hint = f"write {nested[0][0]}name for a further choice in the same braces"
        raise MappingError(f"{shown(source)}: {nested[0]} stands within braces", hint=hint)
    first, *others = content.split(_OR)
    named = _reference(mark, first.strip(), source)
    return Embedded(source=source, choices=(named, *_there(others, [_choice(other, [other]) for other in others])))


def _reference(mark: str, path: str, source: str) -> Reference:
    name = _NAME.match(path)
    if name is None or path[0] in "!@#$":
        raise MappingError(f"{shown(source)}: {quoted(path)} begins with no name", hint="write it as in !A.list[0]")
    parts: list[Part] = [name[0]]
    done = name.end()
    while done < len(path):
        part = _PART.match(path, done)
        if part is None:
            message = f"{shown(source)}: {quoted(path[done:])} is neither a key nor an index"
            raise MappingError(message, hint="write it as in !A.list[0]; an index is a number")
        parts.append(part[1] if part[2] is None else int(part[2]))
        done = part.end()
    return Reference(mark=mark, path=tuple(parts))
