"""Does a ruleset let a step run: when the pipeline is compiled, and right before the step would start.

The algorithm is that of go-vela/server ``compiler/types/pipeline/ruleset.go`` (``Match``) and ``container.go``
(``Execute``). One thing differs: while a plan is made the status of the run is unknown, and a rule on it decides
nothing then. Vela takes it as matched, which removes steps with ``unless: {status: ...}`` before their time. The same
holds for an expression (``eval``) where the environment is not known.
"""

from collections.abc import Iterator, Mapping

from runner.errors import quoted
from runner.plan import expressions
from runner.plan.match import matches
from runner.plan.model import Facts, Operator, Rules, Ruleset
from runner.plan.status import Status
from runner.records import record

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

_Values = Mapping[str, tuple[str, ...]]


@record
class _Known:
    """What rules are compared with; what is absent, or None, is not known."""

    values: _Values
    environment: Mapping[str, str] | None


@record
class Verdict:
    """Whether a step runs; ``why`` names the rule, the pattern and the fact when it does not."""

    holds: bool
    why: str = ""

    def __bool__(self) -> bool:
        return self.holds


@record
class _Outcome:
    """What a rule or a block of rules says; ``holds`` is None where that depends on what is not known yet."""

    holds: bool | None
    why: str = ""


def keep(ruleset: Ruleset, facts: Facts, environment: Mapping[str, str] | None = None) -> Verdict:
    """Decide at compile time whether a step stays in the plan; ``environment`` is the step's, None if it is not known.

    Raises BadPatternError for a pattern that cannot be read, BadExpressionError for such an expression, if the
    comparison comes to it.
    """
    return _match(ruleset, _Known(values=_compile_values(facts), environment=environment))


def runs(
    ruleset: Ruleset,
    facts: Facts,
    status: Status,
    *,
    environment: Mapping[str, str] | None = None,
    around: Ruleset = Ruleset(),  # noqa: B008 - it is frozen
) -> Verdict:
    """Decide right before its start whether a step of the plan runs.

    ``status`` is that of the run, or of the stage where the stage is independent. ``around`` is the ruleset of the
    stage: the step runs if both let it. Without a rule on the status nothing else of a ruleset is looked at again; if
    neither has one, the step asks for success. With one the whole ruleset is, and path, label, comment, sender and
    instance are empty then, as in Vela. Raises as ``keep``.
    """
    known = _Known(values=_run_values(facts, status), environment=environment)
    if has_status_rule(around) and not (verdict := _match(around, known)):
        return Verdict(holds=False, why=f"stage: {verdict.why}")
    if has_status_rule(ruleset):
        return _match(ruleset, known)
    if status in _STOPPING and not has_status_rule(around):
        return Verdict(holds=False, why=f"the status is {status.value!r}, and the step has no status rule")
    return Verdict(holds=True)


def has_status_rule(ruleset: Ruleset) -> bool:
    """Whether the status has a say, so that the ruleset is looked at again right before the step would start."""
    return bool(ruleset.if_.status or ruleset.unless.status)


def asks_environment(*rulesets: Ruleset) -> bool:
    """Whether one of them compares the environment when it is looked at again."""
    return any(has_status_rule(ruleset) and (ruleset.if_.eval or ruleset.unless.eval) for ruleset in rulesets)


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


def _match(ruleset: Ruleset, known: _Known) -> Verdict:
    if _present(ruleset.unless):
        outcome = _block(ruleset.unless, known)
        if outcome.holds:
            return Verdict(holds=False, why=f"unless: {outcome.why}")
    if _present(ruleset.if_):
        outcome = _block(ruleset.if_, known)
        if outcome.holds is False:
            return Verdict(holds=False, why=outcome.why)
    return Verdict(holds=True)


def _present(rules: Rules) -> bool:
    return bool(rules.eval or patterns(rules))


def _block(rules: Rules, known: _Known) -> _Outcome:
    """Combine the rules of a block; the first that decides ends the comparison, as in Vela."""
    deciding = rules.operator is Operator.OR
    told: list[str] = []
    unknown = False
    for outcome in _outcomes(rules, known):
        if outcome.holds is deciding:
            return outcome
        unknown = unknown or outcome.holds is None
        told.append(outcome.why)
    if unknown:
        return _Outcome(holds=None)
    return _Outcome(holds=not deciding, why="; ".join(told) if deciding else " and ".join(told))


def _outcomes(rules: Rules, known: _Known) -> Iterator[_Outcome]:
    """Compare one rule after the other; what nobody asks for is not compared."""
    if rules.eval:
        yield _expression(rules.eval, known.environment)
    for name, asked in patterns(rules).items():
        values = known.values.get(name)
        yield _Outcome(holds=None) if values is None else _rule(name, asked, values, rules)


def _expression(text: str, environment: Mapping[str, str] | None) -> _Outcome:
    if environment is None:
        return _Outcome(holds=None)
    holds = expressions.holds(text, environment)
    return _Outcome(holds=holds, why=f"eval {quoted(text)} is {str(holds).lower()}")


def _rule(name: str, asked: tuple[str, ...], values: tuple[str, ...], rules: Rules) -> _Outcome:
    noun = _NOUNS.get(name, name)
    for value in values:
        for pattern in asked:
            if matches(rules.matcher, pattern, value):
                return _Outcome(holds=True, why=f"{noun} {quoted(value)} matches {quoted(pattern)}")
    told = values[:1] if name == STATUS else values
    return _Outcome(holds=False, why=_mismatch(noun, asked, told))


def _mismatch(noun: str, asked: tuple[str, ...], values: tuple[str, ...]) -> str:
    wanted = ", ".join(quoted(pattern) for pattern in asked)
    if not any(values):
        return f"there is no {noun} to match {wanted}"
    if len(values) > 1:
        return f"none of the {len(values)} {noun}s matches {wanted}"
    verb = "does not match" if len(asked) == 1 else "matches none of"
    return f"{noun} {quoted(values[0])} {verb} {wanted}"
