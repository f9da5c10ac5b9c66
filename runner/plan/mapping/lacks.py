"""Why a reference means nothing, in words; made only when somebody is to read them."""

import difflib
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import Final

from runner.errors import quoted
from runner.plan.mapping.references import Part, shown
from runner.plan.model import Json

_MOST_TOLD: Final = 3
_LONGEST: Final = 600
_LONGEST_NAME: Final = 60
_MOST_COMPARED: Final = 1000


class MissingError(Exception):
    """What was looked for is not there; another choice may be."""

    def __init__(self, words: Callable[[], str]) -> None:
        super().__init__()
        self._words = words

    @cached_property
    def why(self) -> str:
        """What is missing, of bounded length."""
        words = self._words()
        return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 3]}..."


def choices(source: str, missing: Sequence[MissingError]) -> str:
    """Say what all choices of a reference lack."""
    whys = list(dict.fromkeys(each.why for each in missing[:_MOST_TOLD]))
    more = len(missing) - _MOST_TOLD
    return f"{shown(source)}: {'; '.join(whys)}" + (f"; and {more} more" if more > 0 else "")


def unknown(name: Part, known: Collection[str]) -> str:
    """Say that there is no global of a name."""
    return f"there is no global {quoted(str(name))}{_near(name, known)}"


def entry(mark: str, current: str, name: Part, known: Collection[str]) -> str:
    """Say that a pipeline of the same execution has nothing of a name."""
    if mark == "$":
        return f"pipeline {_word(current)} has no step and no preset value {quoted(str(name))}{_near(name, known)}"
    return f"step {_word(name)} of pipeline {_word(current)} has returned nothing{_near(name, known)}"


def pipeline(mark: str, current: str, name: Part, known: Collection[str]) -> str:
    """Say as ``entry`` that there is nothing of a name, which may also be that of a pipeline."""
    if mark == "$":
        return f"{entry(mark, current, name, known)}, and there is nothing of a pipeline {quoted(str(name))}"
    return f"{entry(mark, current, name, known)}, and neither have the steps of a pipeline {quoted(str(name))}"


def behind(what: str, name: Part, missing: MissingError) -> str:
    """Say what a link or a global, by which a reference leads on, lacks."""
    return f"{what} {_word(name)} leads to {missing.why}"


def null(path: Sequence[Part]) -> str:
    """Say that what a path leads to is null."""
    return f"{_spelled(path)} is null"


def part(path: Sequence[Part], value: Json) -> str:
    """Say that a value has no such part as a path, which leads to it up to there, has at its end.

    Of results, whose paths are ``(execution, "pipelineParameters", pipeline, step, "primaryReturn" | "namedReturns",
    name)``, it says whose they are; the execution is empty for one's own.
    """
    whole, last = _spelled(path[:-1]), path[-1]
    match path:
        case (_, "pipelineParameters", str(), *_) if isinstance(value, dict):
            if told := _returned(path):
                return told
        case _:
            pass
    if isinstance(value, dict) and isinstance(last, str):
        return null(path) if last in value else f"{whole} has no {quoted(last)}{_near(last, value)}"
    if isinstance(value, list) and isinstance(last, int):
        return null(path) if 0 <= last < len(value) else f"{whole} has {len(value)} values, and none at [{last}]"
    return f"{whole} is {kind(value)}, and has no {quoted(last) if isinstance(last, str) else f'[{last}]'}"


def kind(value: Json) -> str:
    """Return the word for the type of data, with its article."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case dict():
            return "a map"


def _returned(path: Sequence[Part]) -> str:
    """Say which pipeline or step has returned nothing; empty if the path leads farther than that."""
    owner, _, pipeline, *rest = path
    whose = f" of {_word(owner)}" if owner else ""
    match rest:
        case []:
            return f"pipeline {_word(pipeline)}{whose} has returned nothing"
        case [str(step)] | [str(step), "primaryReturn"]:
            return f"step {_word(step)} of pipeline {_word(pipeline)}{whose} has returned nothing"
        case [str(step), "namedReturns" | "namedReturn", str(name)]:
            return f"step {_word(step)} of pipeline {_word(pipeline)}{whose} has returned nothing named {quoted(name)}"
        case _:
            return ""


def _spelled(path: Sequence[Part]) -> str:
    """Return a path as it is written; of one that leads to results of one's own, what tells them apart."""
    first, *others = path if path[0] else path[2:]
    return _word(str(first) + "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in others))


def _near(name: Part, known: Collection[str]) -> str:
    if len(str(name)) > _LONGEST_NAME or len(known) > _MOST_COMPARED:  # comparing costs the product of both
        return ""
    near = difflib.get_close_matches(str(name), [each for each in known if len(each) <= _LONGEST_NAME], n=1)
    return f"; did you mean {quoted(near[0])}?" if near and near[0] != name else ""


def _word(name: Part) -> str:
    return shown(str(name))
