"""The text in which a plugin is given a parameter; see ``parameters``."""

import math

from runner.dialects.source import Findings, Mapping, Node, Scalar, Sequence, quoted
from runner.dialects.vela import gotext
from runner.dialects.vela.typed import typed


def text_of(node: Node, findings: Findings) -> str:
    """Return the text of a value, single or a list or map; what cannot be JSON is recorded."""
    if isinstance(node, Scalar):
        return gotext.alone(typed(node))
    items = node.items if isinstance(node, Sequence) else (node,)
    values = [typed(item) for item in items if isinstance(item, Scalar)]
    if len(values) < len(items):
        return _json(node, findings)
    return ",".join(gotext.in_yaml(value) for value in values if value is not None)


def _json(node: Node, findings: Findings) -> str:
    if isinstance(node, Mapping):
        return _json_map(node, findings)
    if isinstance(node, Sequence):
        return f"[{','.join(_json(item, findings) for item in node.items)}]"
    value = typed(node)
    if isinstance(value, float) and not math.isfinite(value):
        message = f"{node.text} stands in a parameter that is passed as JSON, which has no such number"
        findings.error(node.place, message, "quote it")
        return ""
    return gotext.in_json(value)


def _json_map(node: Mapping, findings: Findings) -> str:
    members: dict[str, str] = {}
    for entry in node.entries:
        key = typed(entry.key)
        if key is None:
            message = "a null key stands in a parameter that is passed as JSON, whose keys are texts"
            findings.error(entry.key.place, message, "quote it")
        name = gotext.in_yaml(key)
        if name in members:
            message = f"the key {quoted(entry.key.text)} is {quoted(name)} in JSON, as one before it"
            findings.warning(entry.key.place, message, "quote the keys, or keep one of them")
        members[name] = _json(entry.value, findings)
    return f"{{{','.join(f'{gotext.in_json(name)}:{members[name]}' for name in sorted(members))}}}"
