"""The events that pipelines run for (``event`` and ``action`` of ``constants`` in go-vela/server)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from runner.errors import UsageError
from runner.plan.graph import Suggest

ACTIONS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "push": (),
        "tag": (),
        "pull_request": ("opened", "synchronize", "reopened", "edited", "labeled", "unlabeled"),
        "comment": ("created", "edited"),
        "deployment": ("created",),
        "schedule": (),
        "delete": ("branch", "tag"),
        "merge_group": (),
    }
)
"""The actions of each event; the first is meant where none is named, except with ``delete``."""

_ALIASES: Final = {"pull": "pull_request", "deploy": "deployment"}
_NEED_ACTION: Final = ("delete",)


def names() -> tuple[str, ...]:
    """Return every event as rules name it: ``push``, ``pull_request``, ``pull_request:opened``, ..."""
    return tuple(name for event, actions in ACTIONS.items() for name in (event, *(f"{event}:{a}" for a in actions)))


def full_name(event: str, suggest: Suggest) -> str:
    """Return ``event`` or ``event:action`` as facts hold it, with the usual action where none is given.

    ``pull`` and ``deploy`` are short for ``pull_request`` and ``deployment``, as in ``vela exec``.

    Raises:
        UsageError: there is no such event or action, or only its action would tell what happened.
    """
    kind, separator, action = event.partition(":")
    kind = _ALIASES.get(kind, kind)
    asked = kind + separator + action
    if kind not in ACTIONS or (separator and action not in ACTIONS[kind]):
        near = suggest(asked, names())
        raise UsageError(
            f"there is no event {event!r}",
            hint=f"did you mean {near!r}?" if near else f"known: {', '.join(ACTIONS.get(kind) or ACTIONS)}",
        )
    if separator or not ACTIONS[kind]:
        return asked
    if kind in _NEED_ACTION:
        forms = " or ".join(f"{kind}:{action}" for action in ACTIONS[kind])
        raise UsageError(f"the event {kind!r} does not say what happened", hint=f"write {forms}")
    return f"{kind}:{ACTIONS[kind][0]}"
