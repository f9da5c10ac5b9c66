"""Applications of executions as data: what is run, and what must come of it.

The fields of a case are those of the file itself (``tests/conformance/data/metalus.yaml``). The application is what
stands there, letter by letter: how a number is spelled, or whether a text is quoted, can be what a case is about.
"""

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.metalus_expect import REFUSED, Expect

_APPLICATION: Final = "application"


class _Lenient(yaml.CSafeLoader):
    """Reads also what only looks like a tag."""


_Lenient.add_multi_constructor("!", lambda *_: None)


@dataclass(frozen=True)
class Case:
    """An application, as a document, and what must come of it; ``kind`` is what it is about."""

    id: str
    kind: str
    application: str
    expect: Expect

    @property
    def is_refused(self) -> bool:
        """Whether nothing of it may run."""
        return self.expect.run == REFUSED

    @property
    def executions(self) -> dict[str, dict[str, Any]]:
        """The executions as they are written, by their ids."""
        document = yaml.load(self.application, _Lenient)
        return {each["id"]: each for each in document.get(_APPLICATION, document)["executions"]}

    @cached_property
    def inside(self) -> dict[str, frozenset[str]]:
        """The ids of the executions that stand in each fork, the fork itself too; of an application that is good."""
        written = self.executions
        opened = {name: _opened(name, written) for name in written}
        return {fork: frozenset(name for name, forks in opened.items() if fork in forks) for fork in written}


def read(path: Path) -> tuple[Case, ...]:
    """Return the cases of a file."""
    text = path.read_text(encoding="utf-8")
    loader = yaml.CSafeLoader(text)
    try:
        return tuple(_cases(loader, text))
    finally:
        loader.dispose()


def _cases(loader: yaml.CSafeLoader, text: str) -> Iterator[Case]:
    root = loader.get_single_node()
    assert isinstance(root, yaml.MappingNode)
    [cases] = [value for key, value in root.value if key.value == "cases"]
    for case in cases.value:
        nodes = {key.value: value for key, value in case.value}
        application = _source(nodes.pop(_APPLICATION), text)
        raw = {name: loader.construct_document(node) for name, node in nodes.items()}
        yield Case(id=raw["id"], kind=raw["kind"], application=application, expect=Expect(**raw["expect"]))


def _source(node: yaml.Node, text: str) -> str:
    """Return a part of a document as one of its own."""
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)
    indent = " " * node.start_mark.column
    return textwrap.dedent(indent + text[node.start_mark.index : node.end_mark.index]).rstrip() + "\n"


def _opened(name: str, written: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the forks in which an execution stands, the outer ones first."""
    execution = written[name]
    above = next((_opened(parent, written) for parent in execution.get("parents", ())), ())
    match execution.get("executionType"):
        case "fork":
            return (*above, name)
        case "join":
            return above[:-1]
        case _:
            return above
