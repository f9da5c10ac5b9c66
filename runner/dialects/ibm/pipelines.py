"""The stages of IBM's pipelines, for version 1 of their files: what each waits for, and what can be missing.

The names and the marks are those of the tables on IBM's pages of the pull request, CI, CD and CC pipelines; the needs
are those of the v10 diagrams on "Improving compliance pipeline performance". The order is that in which v9 ran them one
after the other, so that whoever goes through it comes to no stage before those that it waits for.
"""

from functools import cached_property
from typing import Final

from runner.errors import UsageError, quoted
from runner.plan.trigger import Trigger
from runner.records import record

FINISH: Final = "finish"
"""The stage that every pipeline ends with, whatever has happened."""

START: Final = "start"
"""The stage that every pipeline begins with; no file can say what it does."""


@record
class Slot:
    """A stage of a pipeline. ``spellings`` are further names under which files have it.

    ``provided``: IBM has a default implementation, which is not part of this runner. ``skippable``: ``skip`` counts.
    ``fixed``: no file can say what it does.
    """

    name: str
    needs: tuple[str, ...] = ()
    spellings: tuple[str, ...] = ()
    provided: bool = False
    skippable: bool = False
    fixed: bool = False

    @property
    def required(self) -> bool:
        """Whether a pipeline fails without it: nobody but the file can say what it does, and it cannot be left out."""
        return not (self.provided or self.skippable or self.fixed)


@record
class Pipeline:
    """A kind of pipeline, with its stages but ``start``."""

    kind: str
    slots: tuple[Slot, ...]

    @cached_property
    def _by_name(self) -> dict[str, Slot]:
        return {name: slot for slot in self.slots for name in (slot.name, *slot.spellings)}

    def slot(self, name: str) -> Slot | None:
        """Return the stage of that name, in whichever spelling; None when there is none."""
        return self._by_name.get(name)

    def graph(self) -> dict[str, tuple[str, ...]]:
        """Return what each stage waits for; ``finish`` waits for all others."""
        others = tuple(slot.name for slot in self.slots if slot.name != FINISH)
        return {slot.name: others if slot.name == FINISH else slot.needs for slot in self.slots}


_TEST: Final = ("unit-tests", "unit-test")  # the page of the pull request pipeline, and that of v11
_BUILD: Final = ("build-artifact",)  # the page of v11
_DEPLOY: Final = ("deployment",)  # the page of the CD pipeline
_SCANS: Final = ("static-scan", "dynamic-scan", "compliance-checks", "scan-artifact")

_CI: Final = Pipeline(
    kind="ci",
    slots=(
        Slot(name="setup"),
        Slot(name="detect-secrets", needs=("setup",), provided=True),
        Slot(name="test", needs=("setup",), spellings=_TEST, skippable=True),
        Slot(name="peer-review", needs=("setup",), provided=True, skippable=True),
        Slot(name="static-scan", needs=("peer-review",), provided=True, skippable=True),
        Slot(name="compliance-checks", needs=("setup",), provided=True, skippable=True),
        Slot(name="containerize", needs=("detect-secrets",), spellings=_BUILD),
        Slot(name="sign-artifact", needs=("containerize",), provided=True),
        Slot(name="scan-artifact", needs=("containerize",), provided=True, skippable=True),
        Slot(name="deploy", needs=("sign-artifact",), spellings=_DEPLOY),
        Slot(name="dynamic-scan", needs=("deploy",), provided=True, skippable=True),
        Slot(name="acceptance-test", needs=("deploy",), skippable=True),
        Slot(name="release", needs=("test", *_SCANS, "acceptance-test"), skippable=True),
        Slot(name=FINISH, provided=True, skippable=True),
    ),
)
_PR: Final = Pipeline(
    kind="pr",
    slots=(
        Slot(name="setup"),
        Slot(name="detect-secrets", needs=("setup",), provided=True),
        Slot(name="test", needs=("detect-secrets",), spellings=_TEST, skippable=True),
        Slot(name="compliance-checks", needs=("detect-secrets",), provided=True, skippable=True),
        Slot(name=FINISH, provided=True, skippable=True),
    ),
)
_CD: Final = Pipeline(
    kind="cd",
    slots=(
        Slot(name="setup"),
        Slot(name="verify-peer-review", needs=("setup",), provided=True, skippable=True),
        Slot(name="verify-artifact", needs=("setup",), provided=True, skippable=True),
        Slot(name="change-request", needs=("verify-peer-review", "verify-artifact"), provided=True, fixed=True),
        Slot(name="deploy", needs=("change-request",), spellings=_DEPLOY),
        Slot(name="acceptance-test", needs=("deploy",), skippable=True),
        Slot(name=FINISH, provided=True, skippable=True),
    ),
)
_CC: Final = Pipeline(
    kind="cc",
    slots=(
        Slot(name="setup"),
        Slot(name="detect-secrets", needs=("setup",), provided=True),
        Slot(name="static-scan", needs=("setup",), provided=True, skippable=True),
        Slot(name="dynamic-scan", needs=("setup",), provided=True, skippable=True),
        Slot(name="compliance-checks", needs=("detect-secrets",), provided=True, skippable=True),
        Slot(name="scan-artifact", needs=("setup",), provided=True, skippable=True),
        Slot(name=FINISH, provided=True, skippable=True),
    ),
)
PIPELINES: Final = {pipeline.kind: pipeline for pipeline in (_CI, _CD, _PR, _CC)}
"""The pipelines by their kinds."""

KINDS: Final = tuple(PIPELINES)
_USUAL: Final = "ci"
_EVENTS: Final = {"pull_request": "pr", "deployment": "cd"}
"""The kinds that an event starts where nobody has named one (``engine.inputs`` has the same)."""


def kind_of(trigger: Trigger) -> str:
    """Return the kind of pipeline that a trigger starts.

    Raises:
        UsageError: there is no such kind.
    """
    if not trigger.kind:
        return _EVENTS.get(trigger.facts.event.partition(":")[0], _USUAL)
    if trigger.kind not in KINDS:
        raise UsageError(f"there is no kind of pipeline {quoted(trigger.kind)}", hint=f"there are {', '.join(KINDS)}")
    return trigger.kind


def known_names() -> tuple[str, ...]:
    """Return every name that a stage of a pipeline has in files, each once."""
    slots = (slot for pipeline in PIPELINES.values() for slot in pipeline.slots if not slot.fixed)
    return tuple(dict.fromkeys(name for slot in slots for name in (slot.name, *slot.spellings)))
