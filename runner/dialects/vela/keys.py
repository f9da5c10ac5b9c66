"""Which keys mean something where, which are inert here, and which cannot be used yet.

Vela's keys are those of go-vela/server ``compiler/types/yaml``; it ignores all others, so that our own may stand
beside them in one file.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from runner.dialects.source import Entry, Findings, Mapping, Node, Scalar, Sequence, nearest, quoted

_FREE = ("x-", ".")
_RULE_KEYS = frozenset(
    ("branch", "comment", "event", "path", "repo", "sender", "status", "tag", "target", "label", "instance")
)


@dataclass(frozen=True, kw_only=True)
class Keys:
    """The keys of one kind of map.

    ``inert`` ones only mean something to a Vela server. ``later`` ones are refused by name, since to ignore them would
    run something else than what was written.
    """

    known: frozenset[str]
    inert: frozenset[str] = frozenset()
    later: frozenset[str] = frozenset()


PIPELINE = Keys(
    known=frozenset(("version", "metadata", "environment", "secrets", "services", "stages", "steps")),
    inert=frozenset(("worker", "git", "name")),
    later=frozenset(("templates", "deployment", "globals", "links")),
)
METADATA = Keys(
    known=frozenset(("environment",)),
    inert=frozenset(("clone", "template", "auto_cancel")),
    later=frozenset(("render_inline",)),
)
STAGE = Keys(
    known=frozenset(("name", "needs", "independent", "environment", "steps", "timeout", "retry")),
    later=frozenset(("ruleset", "async", "workspace", "on_lost", "fork", "fork_limit", "join", "evaluate")),
)
STEP = Keys(
    known=frozenset(
        ("name", "image", "commands", "entrypoint", "environment", "pull", "detach", "user", "ruleset", "secrets")
    )
    | {"timeout", "retry"},
    inert=frozenset(("report_as", "id_request", "git")),
    later=frozenset(("parameters", "template", "artifacts", "ulimits", "volumes", "privileged"))
    | {"working_dir", "limits", "shell", "cache", "workspace", "on_lost", "fork", "join", "evaluate", "async"},
)
SERVICE = Keys(
    known=frozenset(("name", "image", "entrypoint", "environment", "pull", "user", "ruleset")),
    inert=frozenset(("ports",)),
    later=frozenset(("ulimits", "ready", "privileged", "volumes", "limits")),
)
SECRET = Keys(known=frozenset(("name", "key", "engine", "type", "pull")), later=frozenset(("origin",)))
STEP_SECRET = Keys(known=frozenset(("source", "target")))
RULES = Keys(known=_RULE_KEYS | {"operator", "matcher"}, later=frozenset(("eval",)))
RULESET = Keys(known=RULES.known | {"if", "unless", "continue"}, later=RULES.later)


def check_keys(node: Mapping, keys: Keys, what: str, findings: Findings) -> None:
    """Refuse keys that are not supported yet, and warn of keys that nobody knows, with the nearest known one.

    ``what`` names the map in messages. Keys that begin with ``x-`` or a dot are the user's own. An empty or false
    value asks for nothing, and is let pass.
    """
    for entry in node.entries:
        name = entry.key.text
        if name in keys.later and not _asks_nothing(entry.value):
            findings.error(entry.key.place, f"{quoted(name)} in {what} is not supported yet", "remove it")
        elif name not in keys.known | keys.inert | keys.later and not name.startswith(_FREE):
            _warn_unknown(entry, keys, what, findings)


def check_top_level(root: Mapping, findings: Findings) -> None:
    """Do the same for the top of a file, where a key may also hold anchors that are used elsewhere in it."""
    ours = PIPELINE.known | PIPELINE.inert | PIPELINE.later
    used = _nodes(entry.value for entry in root.entries if entry.key.text in ours)
    checked = tuple(
        entry for entry in root.entries if entry.key.text in ours or used.isdisjoint(_nodes((entry.value,)))
    )
    check_keys(Mapping(entries=checked, place=root.place), PIPELINE, "a pipeline", findings)


def _warn_unknown(entry: Entry, keys: Keys, what: str, findings: Findings) -> None:
    near = nearest(entry.key.text, keys.known | keys.inert | keys.later)
    hint = f"did you mean {near!r}?" if near else "it is ignored"
    findings.warning(entry.key.place, f"{what} has no key {quoted(entry.key.text)}", hint)


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
