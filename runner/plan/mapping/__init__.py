"""What references mean: the values of steps, globals and links that texts of a plan refer to.

``references`` says how they are written. A result is data: it is never read for references again.
"""

import graphlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final, TypeVar

from runner.plan.mapping import lacks
from runner.plan.mapping.lacks import MissingError
from runner.plan.mapping.literals import is_mapped, literal
from runner.plan.mapping.references import Choice, Embedded, MappingError, Text, read, read_path, references, shown
from runner.plan.mapping.resolution import TOO_DEEP, Resolution, text_of
from runner.plan.mapping.scope import Scope
from runner.plan.model import Json

__all__ = [
    "MappingError",
    "Scope",
    "check",
    "circle",
    "fork_values",
    "is_mapped",
    "literal",
    "required",
    "resolve",
    "text_of",
]

_HINT: Final = "give it another choice, as in '!name || text', or write '\\!' where the text itself is meant"

_T = TypeVar("_T")


def check(text: str, *, path: bool = False) -> None:
    """Raise MappingError for a text that cannot be read, whatever the values are.

    With ``path`` the mark may be missing, as in the values of a fork.
    """
    _read(text, path=path)


def required(text: str, *, path: bool = False) -> tuple[str, ...]:
    """Return the names after ``!`` in a text that has nothing to stand in for them; ``path`` as for ``check``.

    Raises:
        MappingError: a reference in it cannot be read.
    """
    return tuple(dict.fromkeys(_required(_read(text, path=path))))


def circle(links: Mapping[str, Json]) -> tuple[str, ...]:
    """Return the names of a circle in which links lead, its first again at the end; empty where there is none.

    A link that cannot be read leads nowhere.
    """
    graph = {name: [target for target in _targets(text) if target in links] for name, text in links.items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return tuple(reversed(error.args[1]))
    return ()


def resolve(value: Json, scope: Scope) -> Json:
    """Return what a text means, or lists and maps with what the texts in them mean; keys stay as they are.

    A text without references is itself. One that is nothing but a reference is what it refers to, of whatever type;
    one with more around it is a text, in which data stand as ``text_of`` writes them (Metalus drops what is around a
    list or a map).

    Raises:
        MappingError: a reference cannot be read, leads in a circle, or means nothing and there is no other choice;
            null means nothing.
    """
    resolution = Resolution(scope)
    return _guarded(partial(resolution.value, value))


def fork_values(values: Json, scope: Scope) -> list[Json]:
    """Return the values of a fork: a list, or what a reference means, whose mark may be missing (``A.list``).

    Raises:
        MappingError: as ``resolve``, or they are no list.
    """
    resolution = Resolution(scope)
    found = _guarded(partial(resolution.path, values) if isinstance(values, str) else partial(resolution.value, values))
    if not isinstance(found, list):
        what = f"{shown(values)} is" if isinstance(values, str) else "these are"
        hint = "hand on a list, as by `pipelinectl set_return --json`"
        raise MappingError(f"{what} {lacks.kind(found)}, and no list", hint=hint)
    return found


def _read(text: str, *, path: bool) -> tuple[Choice, ...]:
    return read_path(text) if path else read(text)


def _required(choices: tuple[Choice, ...]) -> Iterator[str]:
    if any(isinstance(choice, Text) and choice.is_plain for choice in choices):
        return
    for choice in choices:
        if isinstance(choice, Text):
            for piece in choice.pieces:
                if isinstance(piece, Embedded):
                    yield from _required(piece.choices)
        elif choice.mark == "!":
            yield str(choice.path[0])


def _targets(link: Json) -> Iterator[str]:
    """Yield the names after ``!`` in the text of a link."""
    try:
        found = read(link) if isinstance(link, str) else ()
    except MappingError:
        return
    yield from (str(reference.path[0]) for reference in references(found) if reference.mark == "!")


def _guarded(find: Callable[[], _T]) -> _T:
    try:
        return find()
    except MissingError as missing:
        raise MappingError(missing.why, hint=_HINT) from None
    except RecursionError as error:
        raise MappingError(TOO_DEEP) from error
