"""The ``ruleset`` of a step or service: read, checked, and judged against the facts of a run.

The forms are those of go-vela/server ``compiler/types/yaml/ruleset.go``.
"""

from collections.abc import Mapping
from typing import Final

from runner.dialects.source import Findings, Scalar, quoted
from runner.dialects.vela.fields import Fields
from runner.errors import Place
from runner.plan import expressions, rules
from runner.plan.expressions import BadExpressionError
from runner.plan.match import BadPatternError, check
from runner.plan.model import Facts, Matcher, Operator, Rules, Ruleset
from runner.plan.rules import Verdict
from runner.records import record

_EVAL: Final = "eval"
_OPERATORS: Final = ("and", "or")
_MATCHERS: Final = {"filepath": Matcher.FILEPATH, "regexp": Matcher.REGEXP, "regex": Matcher.REGEXP}
_SHORT_EVENTS: Final = {
    "pull_request": ("pull_request:opened", "pull_request:synchronize", "pull_request:reopened"),
    "deployment": ("deployment:created",),
    "comment": ("comment:created", "comment:edited"),
}
# What a rule on the event or the status is compared with; a pattern without wildcards that is none of them is a slip.
_WORDS: Final = {
    "event": (
        *("push", "tag", "schedule", "deployment:created", "comment:created", "comment:edited"),
        *("delete:branch", "delete:tag", "merge_group", "merge_group:checks_requested"),
        *(f"pull_request:{action}" for action in ("opened", "synchronize", "reopened", "edited")),
        *("pull_request:labeled", "pull_request:unlabeled", "pull_request", "deployment", "comment"),
    ),
    "status": ("success", "failure", "error", "canceled", "cancelled", "killed", "timeout", "lost"),
}
_BAD_PATTERN: Final = 20_000  # the work of reading one until it turns out to be too large
_WILDCARDS: Final = frozenset("*?[\\")


@record
class WrittenPattern:
    """A pattern with the place where it was written, and how it is read."""

    text: str
    place: Place
    matcher: Matcher


@record
class WrittenRuleset:
    """A ruleset, all its patterns, of ``if`` and of ``unless``, and where its expressions stand."""

    ruleset: Ruleset
    patterns: tuple[WrittenPattern, ...] = ()
    expressions: tuple[Scalar, ...] = ()


@record
class _Settings:
    """How a block's rules combine and how its patterns are read, unless the block says otherwise."""

    operator: Operator = Operator.AND
    matcher: Matcher = Matcher.FILEPATH


@record
class _Block:
    """``if``, ``unless`` or the short-hand for ``if``: the patterns of each rule that is present."""

    settings: _Settings = _Settings()
    rules: dict[str, tuple[Scalar, ...]]
    expression: Scalar | None = None

    def with_rules_of(self, other: "_Block") -> "_Block":
        """Return the block with the rules of another appended to its own; of two expressions the other's counts."""
        names = (*self.rules, *other.rules)
        merged = {name: self.rules.get(name, ()) + other.rules.get(name, ()) for name in names}
        return _Block(settings=self.settings, rules=merged, expression=other.expression or self.expression)

    def as_rules(self) -> Rules:
        """Return the data for the plan; the three short names of events are written out."""
        texts = {name: tuple(item.text for item in items) for name, items in self.rules.items()}
        if "event" in texts:
            texts["event"] = tuple(word for text in texts["event"] for word in _SHORT_EVENTS.get(text, (text,)))
        expression = self.expression.text if self.expression else ""
        return Rules(eval=expression, operator=self.settings.operator, matcher=self.settings.matcher).with_patterns(
            texts
        )

    def as_patterns(self) -> tuple[WrittenPattern, ...]:
        """Return all patterns with their places."""
        return tuple(
            WrittenPattern(text=item.text, place=item.place, matcher=self.settings.matcher)
            for items in self.rules.values()
            for item in items
        )


def read_ruleset(parent: Fields) -> WrittenRuleset:
    """Return the ruleset of a stage, step or service; an empty one when there is none, or none that can be read."""
    fields = parent.inner("ruleset", f"the ruleset of {parent.what}")
    if fields is None:
        return WrittenRuleset(ruleset=Ruleset())
    settings = _read_settings(fields, _Settings())
    short_hand = _Block(settings=settings, rules=_read_rules(fields, settings), expression=_read_expression(fields))
    if_ = _read_block(fields, "if", settings).with_rules_of(short_hand)
    unless = _read_block(fields, "unless", settings)
    return WrittenRuleset(
        ruleset=Ruleset(if_=if_.as_rules(), unless=unless.as_rules(), proceed=fields.flag("continue")),
        patterns=if_.as_patterns() + unless.as_patterns(),
        expressions=tuple(block.expression for block in (if_, unless) if block.expression),
    )


def judge(written: WrittenRuleset, facts: Facts | None, findings: Findings, variables: Mapping[str, str]) -> Verdict:
    """Decide whether what has this ruleset stays in the plan; ``variables`` are what expressions can name.

    A pattern that cannot be read is an error where the comparison comes to it, now or when the run asks for the status;
    elsewhere Vela never notices it, and here it is a warning. Without ``facts`` it stays, and all of it must be right.
    """
    reached = ""
    unreadable = _unreadable(written, findings)
    if not _readable(written, findings):
        return Verdict(holds=True)
    try:
        verdict = rules.keep(written.ruleset, facts, variables) if facts else Verdict(holds=True)
    except BadPatternError as error:
        verdict, reached = Verdict(holds=True), error.pattern
    except BadExpressionError as error:
        place = next(each.place for each in written.expressions if each.text == error.expression)
        findings.error(place, str(error), error.hint)
        verdict = Verdict(holds=True)
    again = rules.has_status_rule(written.ruleset)
    for pattern, fault in unreadable:
        if again or facts is None or pattern.text == reached:
            findings.error(pattern.place, str(fault), fault.hint)
        else:
            findings.warning(pattern.place, f"{fault}; this run does not come to it", fault.hint)
    return verdict


def _unreadable(written: WrittenRuleset, findings: Findings) -> list[tuple[WrittenPattern, BadPatternError]]:
    """Return the patterns that cannot be read. Ends the reading where a file has too many, or too complex ones."""
    found: list[tuple[WrittenPattern, BadPatternError]] = []
    for pattern in written.patterns:
        try:
            findings.work(pattern.place, check(pattern.matcher, pattern.text))
        except BadPatternError as error:
            findings.work(pattern.place, _BAD_PATTERN)
            found.append((pattern, error))
    return found


def _readable(written: WrittenRuleset, findings: Findings) -> bool:
    """Record expressions that cannot be read, which is an error also where the comparison does not come to them."""
    well = True
    for expression in written.expressions:
        try:
            findings.work(expression.place, expressions.check(expression.text))
        except BadExpressionError as error:
            findings.error(expression.place, str(error), error.hint)
            well = False
    return well


def _read_block(fields: Fields, key: str, settings: _Settings) -> _Block:
    inner = fields.inner(key, f"{key!r} in {fields.what}")
    if inner is None:
        return _Block(settings=settings, rules={})
    own = _read_settings(inner, settings)
    return _Block(settings=own, rules=_read_rules(inner, own), expression=_read_expression(inner))


def _read_expression(fields: Fields) -> Scalar | None:
    found = fields.scalar(_EVAL)
    return found if found and found.text else None


def _read_settings(fields: Fields, outer: _Settings) -> _Settings:
    """Vela takes any operator but ``or`` for ``and``, and any matcher it does not know for ``filepath``."""
    operator, matcher = outer.operator, outer.matcher
    if (written := fields.scalar("operator")) and written.text:
        operator = Operator.OR if written.text.lower() == "or" else Operator.AND
        if written.text.lower() not in _OPERATORS:
            _warn_word(fields, "operator", written, "it is taken for 'and'")
    if (written := fields.scalar("matcher")) and written.text:
        matcher = _MATCHERS.get(written.text, Matcher.FILEPATH)
        if written.text not in _MATCHERS:
            _warn_word(fields, "matcher", written, "it is taken for 'filepath'")
    return _Settings(operator=operator, matcher=matcher)


def _read_rules(fields: Fields, settings: _Settings) -> dict[str, tuple[Scalar, ...]]:
    found = {name: fields.scalars(name) for name in rules.RULE_NAMES}
    if settings.matcher is Matcher.FILEPATH:
        for name, words in _WORDS.items():
            for item in found[name]:
                if item.text not in words and _WILDCARDS.isdisjoint(item.text):
                    near = fields.findings.nearest(item.text, words)
                    hint = f"did you mean {near!r}?" if near else f"known: {', '.join(words)}"
                    fields.findings.warning(item.place, f"there is no {name} {quoted(item.text)}", hint)
    return {name: items for name, items in found.items() if items}


def _warn_word(fields: Fields, key: str, written: Scalar, consequence: str) -> None:
    fields.findings.warning(written.place, f"{fields.what} has no {key} {quoted(written.text)}", consequence)
