"""Keys that cannot be used yet, or that nobody knows."""

from collections.abc import Iterable

from runner.dialects.definitions import Kind, Standing
from runner.dialects.source import Findings, Mapping, Node, Scalar, Sequence, quoted

_FREE = ("x-", ".")
_PARAMETERS, _COMMANDS = "parameters", "commands"
_OF_STAGES = ("fork", "fork_limit", "join", "evaluate", "async")
# What other systems call it: GitHub Actions, GitLab CI, Drone and Woodpecker, Compose.
_FOREIGN = {
    **dict.fromkeys(("script", "run", "args", "command"), _COMMANDS),
    **dict.fromkeys(("env", "variables"), "environment"),
    **dict.fromkeys(("when", "rules", "only"), "ruleset"),
    "depends_on": "needs",
    "settings": _PARAMETERS,
    "container": "image",
    "timeout-minutes": "timeout",
    "healthcheck": "ready",
}


def check_keys(node: Mapping, kind: Kind, what: str, findings: Findings) -> None:
    """Refuse keys that are not supported yet, and warn of keys that nobody knows, with the nearest known one.

    ``what`` names the map in messages. Keys that begin with ``x-`` or a dot are the user's own. An empty or false
    value asks for nothing, and is let pass. What only a stage can have is refused around or in plain steps: to ignore
    it would run something else.
    """
    for entry in node.entries:
        name = entry.key.text
        key = kind.get(name)
        if key is None and name in _OF_STAGES and kind.name in ("pipeline", "step"):
            if not _asks_nothing(entry.value):
                message = f"{quoted(name)} in {what} means nothing: it is for a stage"
                hint = "write it beside the 'steps' of a stage; a pipeline of plain steps has none"
                findings.error(entry.key.place, message, hint)
        elif key is None and not name.startswith(_FREE):
            findings.warning(entry.key.place, f"{what} has no key {quoted(name)}", _hint(name, node, kind, findings))
        elif key is not None and key.standing is Standing.LATER and not _asks_nothing(entry.value):
            findings.error(entry.key.place, f"{quoted(name)} in {what} is not supported yet", key.instead)


def check_top_level(root: Mapping, kind: Kind, findings: Findings) -> None:
    """Do the same for the top of a file, where a key may also hold anchors that are used elsewhere in it."""
    used = _nodes(entry.value for entry in root.entries if kind.get(entry.key.text))
    checked = tuple(
        entry for entry in root.entries if kind.get(entry.key.text) or used.isdisjoint(_nodes((entry.value,)))
    )
    check_keys(Mapping(entries=checked, place=root.place), kind, f"a {kind.name}", findings)


def _hint(name: str, node: Mapping, kind: Kind, findings: Findings) -> str:
    parameters = node.get(_PARAMETERS)
    if kind.get(_PARAMETERS) and isinstance(parameters, Scalar) and parameters.is_null:
        return f"does it belong under {_PARAMETERS!r}, which is empty?"
    near = _FOREIGN.get(name) or findings.nearest(name, kind.names())
    if near is None or kind.get(near) is None:
        return "it is ignored"
    idle = near == _COMMANDS and node.get(_COMMANDS) is None
    return f"did you mean {near!r}?" + (" as it stands, the image's own command runs" if idle else "")


def _asks_nothing(value: Node) -> bool:
    match value:
        case Scalar():
            return value.is_null or value.text == "" or value.boolean is False
        case Sequence():
            return not value.items
        case Mapping():
            return not value.entries


def _nodes(roots: Iterable[Node]) -> frozenset[int]:
    """Return the identities of all nodes of some trees: an alias is the same node as its anchor."""
    seen: set[int] = set()
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, Sequence):
            waiting += node.items
        elif isinstance(node, Mapping):
            waiting += (entry.value for entry in node.entries)
    return frozenset(seen)
