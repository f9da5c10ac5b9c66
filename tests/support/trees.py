"""Reading YAML in tests: text to plain data, text to its findings."""

from typing import TypeAlias

import yaml

from runner.dialects.source import DEFAULT_LIMITS, Findings, Limits, Mapping, Node, Scalar, Sequence, load
from runner.errors import Finding, InvalidPipelineError

FILE = "pipeline.yml"
Parser: TypeAlias = type[yaml.CSafeLoader] | type[yaml.SafeLoader]
PARSERS: tuple[Parser, ...] = (yaml.CSafeLoader, yaml.SafeLoader)
Data: TypeAlias = "str | list[Data] | dict[str, Data]"


def tree(text: str | bytes, limits: Limits = DEFAULT_LIMITS) -> Node:
    """Return the root of a document."""
    content = text.encode() if isinstance(text, str) else text
    return load(content, FILE, Findings(), limits)


def mapping(text: str | bytes, limits: Limits = DEFAULT_LIMITS) -> Mapping:
    """Return the root of a document that is a map."""
    root = tree(text, limits)
    assert isinstance(root, Mapping)
    return root


def sequence(text: str | bytes, limits: Limits = DEFAULT_LIMITS) -> Sequence:
    """Return the root of a document that is a list."""
    root = tree(text, limits)
    assert isinstance(root, Sequence)
    return root


def scalar(text: str | bytes) -> Scalar:
    """Return the root of a document that is a single value."""
    root = tree(text)
    assert isinstance(root, Scalar)
    return root


def data(node: Node) -> Data:
    """Return texts, lists and dicts (in the order of the file) without places."""
    if isinstance(node, Scalar):
        return node.text
    if isinstance(node, Sequence):
        return [data(item) for item in node.items]
    return {entry.key.text: data(entry.value) for entry in node.entries}


def refusal(text: str | bytes, limits: Limits = DEFAULT_LIMITS) -> tuple[Finding, ...]:
    """Return the findings with which a document is refused."""
    try:
        root = tree(text, limits)
    except InvalidPipelineError as error:
        return error.findings
    raise AssertionError(f"accepted as {root}")


def only(text: str | bytes, limits: Limits = DEFAULT_LIMITS) -> str:
    """Return the one finding with which a document is refused, as users see it."""
    findings = refusal(text, limits)
    assert len(findings) == 1, findings
    return str(findings[0])


def warnings(text: str) -> list[str]:
    """Return the warnings about a document that is accepted."""
    findings = Findings()
    load(text.encode(), FILE, findings)
    return [str(finding) for finding in findings.items]
