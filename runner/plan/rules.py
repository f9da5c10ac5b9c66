"""Does a ruleset let a step run: when the pipeline is compiled, and right before the step would start.

The algorithm is that of go-vela/server ``compiler/types/pipeline/ruleset.go`` (``Match``) and ``container.go``
(``Execute``). One thing differs: while a plan is made the status of the run is unknown, and a rule on it decides
nothing then. Vela takes it as matched, which removes steps with ``unless: {status: ...}`` before their time.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from runner.plan.match import matches
from runner.plan.model import Facts, Operator, Rules, Ruleset
from runner.plan.status import Status

STATUS = "status"
# In the order in which Vela compares, which decides what of several mismatches is told.
RULE_NAMES = (
    *("branch", "comment", "event", "path", "repo", "sender", "tag", "target", "label", "instance"),
    STATUS,
)
_NOUNS = {"path": "changed path"}
_STATUS_WORDS: Mapping[Status, tuple[str, ...]] = {
    Status.PENDING: ("success",),
    Status.RUNNING: ("success",),
    # Vela has no word for a step that took too long, and calls it a failure.
    Status.TIMEOUT: ("timeout", "failure"),
    Status.LOST: ("lost", "error"),
    Status.CANCELLED: ("cancelled", "canceled"),
}
_STOPPING = (Status.FAILURE, Status.ERROR, Status.TIMEOUT, Status.LOST)

_SHOWN = 60  # characters of a fact, which may be a whole comment

_Values = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a step runs; ``why`` names the rule, the pattern and the fact when it does not."""

    holds: bool
    why: str = ""

    def __bool__(self) -> bool:
        return self.holds


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """What one block of rules says; ``holds`` is None where that depends on the status, which is not known yet."""

    holds: bool | None
    why: str = ""


def keep(ruleset: Ruleset, facts: Facts) -> Verdict:
    """Decide at compile time whether a step stays in the plan.

    Raises BadPatternError for a pattern that cannot be read, if the comparison comes to it.
    """
    return _match(ruleset, _compile_values(facts))


def runs(ruleset: Ruleset, facts: Facts, status: Status) -> Verdict:
    """Decide right before its start whether a step of the plan runs.

    ``status`` is that of the run, or of the stage where the stage is independent. Without a rule on the status nothing
    else is looked at again. With one, the whole ruleset is, and path, label, comment, sender and instance are empty
    then, as in Vela. Raises BadPatternError as ``keep``.
    """
    if not has_status_rule(ruleset):
        if status in _STOPPING:
            return Verdict(holds=False, why=f"the status is {status.value!r}, and the step has no status rule")
        return Verdict(holds=True)
    return _match(ruleset, _run_values(facts, status))


def has_status_rule(ruleset: Ruleset) -> bool:
    """Whether the status has a say, so that the ruleset is looked at again right before the step would start."""
    return bool(ruleset.if_.status or ruleset.unless.status)


def patterns(rules: Rules) -> dict[str, tuple[str, ...]]:
    """Return the patterns of each rule that is present, by its name, in the order of comparison."""
    found: dict[str, tuple[str, ...]] = {name: getattr(rules, name) for name in RULE_NAMES}
    return {name: asked for name, asked in found.items() if asked}


def _compile_values(facts: Facts) -> _Values:
    """Everything but the status, whose absence means that it is not known."""
    return {
        "branch": (facts.branch,),
        "comment": (facts.comment,),
        "event": (facts.event,),
        "path": facts.path,
        "repo": (facts.repo,),
        "sender": (facts.sender,),
        "tag": (facts.tag,),
        "target": (facts.target,),
        "label": facts.label,
        "instance": (facts.instance,),
    }


def _run_values(facts: Facts, status: Status) -> _Values:
    """What Vela's worker knows (``internal/step/skip.go`` of go-vela/worker)."""
    event = facts.event.partition(":")[0]
    # A ref that is no tag keeps its "refs/"; the tag of an event "tag" is taken as it is.
    tagged = event == "tag" or (event == "deployment" and not facts.tag.startswith("refs/"))
    return {
        "branch": (facts.branch,),
        "comment": ("",),
        "event": (facts.event,),
        "path": (),
        "repo": (facts.repo,),
        "sender": ("",),
        "tag": (facts.tag if tagged else "",),
        "target": (facts.target if event in ("deployment", "schedule") else "",),
        "label": (),
        "instance": ("",),
        STATUS: _STATUS_WORDS.get(status, (status.value,)),
    }


def _match(ruleset: Ruleset, values: _Values) -> Verdict:
    if patterns(ruleset.unless):
        outcome = _block(ruleset.unless, values)
        if outcome.holds:
            return Verdict(holds=False, why=f"unless: {outcome.why}")
    if patterns(ruleset.if_):
        outcome = _block(ruleset.if_, values)
        if outcome.holds is False:
            return Verdict(holds=False, why=outcome.why)
    return Verdict(holds=True)


def _block(rules: Rules, values: _Values) -> _Outcome:
    """Combine the rules of a block; the first that decides ends the comparison, as in Vela."""
    deciding = rules.operator is Operator.OR
    told: list[str] = []
    unknown = False
    for name, asked in patterns(rules).items():
        if name not in values:
            unknown = True
            continue
        outcome = _rule(name, asked, values[name], rules)
        if outcome.holds is deciding:
            return outcome
        told.append(outcome.why)
    if unknown:
        return _Outcome(holds=None)
    return _Outcome(holds=not deciding, why="; ".join(told) if deciding else " and ".join(told))


def _rule(name: str, asked: tuple[str, ...], values: tuple[str, ...], rules: Rules) -> _Outcome:
    noun = _NOUNS.get(name, name)
    for value in values:
        for pattern in asked:
            if matches(rules.matcher, pattern, value):
                return _Outcome(holds=True, why=f"{noun} {_shown(value)} matches {pattern!r}")
    told = values[:1] if name == STATUS else values
    return _Outcome(holds=False, why=_mismatch(noun, asked, told))


def _mismatch(noun: str, asked: tuple[str, ...], values: tuple[str, ...]) -> str:
    wanted = ", ".join(repr(pattern) for pattern in asked)
    if not any(values):
        return f"there is no {noun} to match {wanted}"
    if len(values) > 1:
        return f"none of the {len(values)} {noun}s matches {wanted}"
    verb = "does not match" if len(asked) == 1 else "matches none of"
    return f"{noun} {_shown(values[0])} {verb} {wanted}"


def _shown(value: str) -> str:
    return repr(value if len(value) <= _SHOWN else value[: _SHOWN - 3] + "...")
