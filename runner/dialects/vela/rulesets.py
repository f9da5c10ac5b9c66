"""The ``ruleset`` of a step or service: read, checked, and judged against the facts of a run.

The forms are those of go-vela/server ``compiler/types/yaml/ruleset.go``.
"""

from dataclasses import dataclass
from typing import Final

from runner.dialects.source import Findings, Scalar, nearest, quoted
from runner.dialects.vela.fields import Fields
from runner.dialects.vela.keys import RULES, RULESET, check_keys
from runner.errors import Place
from runner.plan import rules
from runner.plan.match import BadPatternError, check
from runner.plan.model import Facts, Matcher, Operator, Rules, Ruleset
from runner.plan.rules import Verdict

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
_WILDCARDS: Final = frozenset("*?[\\")


@dataclass(frozen=True, kw_only=True)
class WrittenPattern:
    """A pattern with the place where it was written, and how it is read."""

    text: str
    place: Place
    matcher: Matcher


@dataclass(frozen=True, kw_only=True)
class WrittenRuleset:
    """A ruleset and all its patterns, of ``if`` and of ``unless``."""

    ruleset: Ruleset
    patterns: tuple[WrittenPattern, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Settings:
    """How a block's rules combine and how its patterns are read, unless the block says otherwise."""

    operator: Operator = Operator.AND
    matcher: Matcher = Matcher.FILEPATH


@dataclass(frozen=True, kw_only=True)
class _Block:
    """``if``, ``unless`` or the short-hand for ``if``: the patterns of each rule that is present."""

    settings: _Settings = _Settings()
    rules: dict[str, tuple[Scalar, ...]]

    def with_rules_of(self, other: "_Block") -> "_Block":
        """Return the block with the rules of another appended to its own."""
        names = (*self.rules, *other.rules)
        merged = {name: self.rules.get(name, ()) + other.rules.get(name, ()) for name in names}
        return _Block(settings=self.settings, rules=merged)

    def as_rules(self) -> Rules:
        """Return the data for the plan; the three short names of events are written out."""
        texts = {name: tuple(item.text for item in items) for name, items in self.rules.items()}
        if "event" in texts:
            texts["event"] = tuple(word for text in texts["event"] for word in _SHORT_EVENTS.get(text, (text,)))
        return Rules(operator=self.settings.operator, matcher=self.settings.matcher, **texts)

    def as_patterns(self) -> tuple[WrittenPattern, ...]:
        """Return all patterns with their places."""
        return tuple(
            WrittenPattern(text=item.text, place=item.place, matcher=self.settings.matcher)
            for items in self.rules.values()
            for item in items
        )


def read_ruleset(parent: Fields) -> WrittenRuleset:
    """Return the ruleset of a step or service; an empty one when there is none, or none that can be read."""
    node = parent.mapping("ruleset")
    if node is None:
        return WrittenRuleset(ruleset=Ruleset())
    fields = Fields(node, f"the ruleset of {parent.what}", parent.findings)
    check_keys(node, RULESET, fields.what, fields.findings)
    settings = _read_settings(fields, _Settings())
    short_hand = _Block(settings=settings, rules=_read_rules(fields, settings))
    if_ = _read_block(fields, "if", settings).with_rules_of(short_hand)
    unless = _read_block(fields, "unless", settings)
    return WrittenRuleset(
        ruleset=Ruleset(if_=if_.as_rules(), unless=unless.as_rules(), proceed=fields.flag("continue")),
        patterns=if_.as_patterns() + unless.as_patterns(),
    )


def judge(written: WrittenRuleset, facts: Facts, findings: Findings) -> Verdict:
    """Decide whether what has this ruleset stays in the plan.

    A pattern that cannot be read is an error where the comparison comes to it, now or when the run asks for the status;
    elsewhere Vela never notices it, and here it is a warning.
    """
    reached = ""
    try:
        verdict = rules.keep(written.ruleset, facts)
    except BadPatternError as error:
        verdict, reached = Verdict(holds=True), error.pattern
    again = rules.has_status_rule(written.ruleset)
    for pattern in written.patterns:
        try:
            check(pattern.matcher, pattern.text)
        except BadPatternError as error:
            if again or pattern.text == reached:
                findings.error(pattern.place, str(error), error.hint)
            else:
                findings.warning(pattern.place, f"{error}; this run does not come to it", error.hint)
    return verdict


def _read_block(fields: Fields, key: str, settings: _Settings) -> _Block:
    node = fields.mapping(key)
    if node is None:
        return _Block(settings=settings, rules={})
    inner = Fields(node, f"{key!r} in {fields.what}", fields.findings)
    check_keys(node, RULES, inner.what, inner.findings)
    own = _read_settings(inner, settings)
    return _Block(settings=own, rules=_read_rules(inner, own))


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
                    near = nearest(item.text, words)
                    hint = f"did you mean {near!r}?" if near else f"known: {', '.join(words)}"
                    fields.findings.warning(item.place, f"there is no {name} {quoted(item.text)}", hint)
    return {name: items for name, items in found.items() if items}


def _warn_word(fields: Fields, key: str, written: Scalar, consequence: str) -> None:
    fields.findings.warning(written.place, f"{fields.what} has no {key} {quoted(written.text)}", consequence)
