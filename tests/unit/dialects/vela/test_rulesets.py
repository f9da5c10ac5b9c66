"""Reading rulesets; what they decide is in tests/conformance and tests/unit/plan."""

import pytest

from runner.plan.model import Facts, Matcher, Operator, Rules, Ruleset
from tests.support.pipelines import plan_of, step_findings, step_of, step_warnings

TAGGED = Facts(branch="main", event="tag", tag="v1")


def _ruleset(yaml: str) -> Ruleset:
    """Read a ruleset that keeps its step."""
    return step_of(f"ruleset: {yaml}").ruleset


@pytest.mark.parametrize("yaml", ["", "{}", "{if: {}, unless: ~}", "{event: []}", "{if: {branch: }}"])
def test_nothing_is_an_empty_ruleset(yaml: str) -> None:
    assert _ruleset(yaml) == Ruleset()


@pytest.mark.parametrize(
    ("short", "written"),
    [
        ("pull_request", ("pull_request:opened", "pull_request:synchronize", "pull_request:reopened")),
        ("deployment", ("deployment:created",)),
        ("comment", ("comment:created", "comment:edited")),
        ("push", ("push",)),
        ("delete:tag", ("delete:tag",)),
    ],
)
def test_the_short_names_of_events_are_written_out(short: str, written: tuple[str, ...]) -> None:
    assert _ruleset(f"{{event: [push, {short}]}}").if_.event == ("push", *written)
    unless = _ruleset(f"{{unless: {{event: {short}, branch: dev}}}}").unless
    assert unless.event == written


def test_short_hand_rules_are_appended_to_those_of_if() -> None:
    ruleset = _ruleset("{branch: main, tag: '*', operator: or, if: {branch: dev, event: push}}")

    assert ruleset.if_ == Rules(branch=("dev", "main"), event=("push",), tag=("*",), operator=Operator.OR)


def test_both_blocks_inherit_operator_and_matcher() -> None:
    ruleset = _ruleset("{operator: or, matcher: regexp, if: {branch: ma}, unless: {branch: dev}}")

    assert ruleset.if_ == Rules(branch=("ma",), operator=Operator.OR, matcher=Matcher.REGEXP)
    assert ruleset.unless == Rules(branch=("dev",), operator=Operator.OR, matcher=Matcher.REGEXP)


def test_the_settings_of_a_block_win_over_those_around_it() -> None:
    ruleset = _ruleset("{operator: or, matcher: regexp, if: {branch: main, operator: and, matcher: filepath}}")

    assert ruleset.if_ == Rules(branch=("main",))


def test_the_settings_of_if_rule_the_short_hand_rules_too() -> None:
    ruleset = _ruleset("{branch: ^ma, if: {matcher: regexp}}")

    assert ruleset.if_ == Rules(branch=("^ma",), matcher=Matcher.REGEXP)


@pytest.mark.parametrize("word", ["regexp", "regex"])
def test_the_matcher_for_regular_expressions_has_two_names(word: str) -> None:
    assert _ruleset(f"{{branch: ma, matcher: {word}}}").if_.matcher is Matcher.REGEXP


def test_an_operator_is_read_whatever_its_case() -> None:
    assert _ruleset("{branch: main, operator: OR}").if_.operator is Operator.OR


def test_continue_is_no_rule() -> None:
    assert _ruleset("{continue: true}") == Ruleset(proceed=True)


@pytest.mark.parametrize("yaml", ["ruleset: push", "ruleset: [push]", "ruleset: {if: push}", "ruleset: {unless: [a]}"])
def test_a_ruleset_or_block_that_is_no_map_is_an_error(yaml: str) -> None:
    (told,) = step_findings(yaml)

    assert told.endswith("(it must be a map)")


def test_a_map_in_the_place_of_patterns_is_an_error() -> None:
    assert step_findings("ruleset: {branch: {a: b}}") == [
        "in.yml:5:23: 'branch' of the ruleset of step 's' is a map (it must be a list, or a single value)"
    ]


@pytest.mark.parametrize(
    ("yaml", "if_", "unless"),
    [
        ("{eval: 'true'}", "true", ""),
        ("{if: {eval: 'true'}}", "true", ""),
        ("{unless: {eval: 'false'}}", "", "false"),
        ("{eval: 'true', if: {eval: 'false'}}", "true", ""),
        ("{eval: '', if: {eval: 'true'}}", "true", ""),
    ],
)
def test_an_expression_stands_in_either_block_and_the_short_hand_one_wins(yaml: str, if_: str, unless: str) -> None:
    ruleset = _ruleset(yaml)

    assert (ruleset.if_.eval, ruleset.unless.eval) == (if_, unless)


@pytest.mark.parametrize("yaml", ["{eval: 'A =='}", "{branch: dev, if: {eval: 'A =='}}", "{unless: {eval: 'A =='}}"])
def test_an_expression_that_cannot_be_read_is_an_error_also_where_the_comparison_does_not_come_to_it(yaml: str) -> None:
    (told,) = step_findings(f"ruleset: {yaml}")

    column = len(f"    ruleset: {yaml}".partition("eval: ")[0]) + len("eval: ") + 1
    assert told.startswith(f"in.yml:5:{column}: 'A ==' ")


@pytest.mark.parametrize(
    ("yaml", "column"),
    [
        ("{if: {eval: \"A == 'x'\"}, unless: {eval: 'A == 1'}}", 54),
        ("{if: {eval: 'A == 1'}, unless: {eval: \"A == 'y'\"}}", 26),
    ],
)
def test_of_two_expressions_the_wrong_one_is_told(yaml: str, column: int) -> None:
    (told,) = step_findings(f"ruleset: {yaml}\nenvironment: {{A: x}}")

    assert told.startswith(f"in.yml:5:{column}: 'A == 1' compares a string with an integer")


def test_variables_are_put_into_patterns_and_expressions() -> None:
    step = step_of("ruleset: {branch: '${VELA_BUILD_BRANCH}', eval: \"'${A}' == A\"}\nenvironment: {A: b}")

    assert (step.ruleset.if_.branch, step.ruleset.if_.eval) == (("main",), "'b' == A")


def test_an_expression_compares_values_with_their_variables_put_in() -> None:
    step_of("ruleset: {eval: \"A == 'v-main'\"}\nenvironment: {A: 'v-${VELA_BUILD_BRANCH}'}")


def test_an_expression_sees_parameters_and_what_tells_the_step_from_others() -> None:
    step_of("ruleset: {eval: \"PARAMETER_P == '1' and VELA_STEP_NAME == 's'\"}\nparameters: {p: 1}")


def test_a_variable_that_nobody_knows_is_no_pattern_that_matches() -> None:
    plan = plan_of("version: 1\nsteps: [{name: s, image: i, ruleset: {branch: '${NOPE}'}}]")

    assert plan.pruned[0].why == "branch 'main' does not match '${NOPE}'"


@pytest.mark.parametrize(
    ("yaml", "warning"),
    [
        ("{operator: xor}", "25: the ruleset of step 's' has no operator 'xor' (it is taken for 'and')"),
        ("{matcher: REGEXP}", "24: the ruleset of step 's' has no matcher 'REGEXP' (it is taken for 'filepath')"),
        ("{branches: main}", "15: the ruleset of step 's' has no key 'branches' (did you mean 'branch'?)"),
        ("{if: {branhc: a}}", "20: 'if' in the ruleset of step 's' has no key 'branhc' (did you mean 'branch'?)"),
        ("{if: {status: sucess}}", "28: there is no status 'sucess' (did you mean 'success'?)"),
        ("{unless: {event: deploy}}", "31: there is no event 'deploy' (did you mean 'deployment'?)"),
    ],
)
def test_a_word_that_decides_otherwise_than_it_looks_is_a_warning(yaml: str, warning: str) -> None:
    assert step_warnings(f"ruleset: {yaml}") == [f"in.yml:5:{warning.replace(':', ': warning:', 1)}"]


def test_an_unknown_operator_is_and_and_an_unknown_matcher_filepath() -> None:
    plan = plan_of("version: 1\nsteps: [{name: s, image: i, ruleset: {branch: 'm*', operator: xor, matcher: glob}}]")

    assert plan.stages[0].steps[0].ruleset.if_ == Rules(branch=("m*",))


@pytest.mark.parametrize(
    "yaml",
    [
        "{status: '*'}",
        "{status: [success, failure]}",
        "{event: 'pu*'}",
        "{event: pu.h, matcher: regexp}",
        "{event: push}",
    ],
)
def test_a_known_word_and_a_pattern_are_no_slips(yaml: str) -> None:
    assert step_warnings(f"ruleset: {yaml}") == []


def test_a_bad_pattern_that_is_come_to_is_an_error_at_its_place() -> None:
    assert step_findings("ruleset: {branch: [dev, '*-dev'], matcher: regexp}") == [
        "in.yml:5:29: '*-dev' is no regular expression: no argument for repetition operator: * (the syntax is RE2's)"
    ]


def test_a_bad_pattern_that_is_not_come_to_is_a_warning() -> None:
    assert step_warnings("ruleset: {branch: [main, '[']}") == [
        r"in.yml:5:30: warning: '[' has a [ without its ]; this run does not come to it (write \[ for the character)"
    ]


@pytest.mark.parametrize(
    "yaml", ["{status: '[ab'}", "{status: failure, branch: [main, '[']}", "{unless: {status: '[ab', branch: dev}}"]
)
def test_a_bad_pattern_that_only_the_run_would_come_to_is_an_error(yaml: str) -> None:
    (told,) = step_findings(f"ruleset: {yaml}")

    assert "has a [ without its ]" in told
    assert "warning" not in told


def test_every_bad_pattern_of_a_ruleset_is_told() -> None:
    told = step_findings("ruleset: {status: failure, branch: '[', tag: 'a\\'}")

    assert len(told) == 2


def test_a_pattern_keeps_its_source_text() -> None:
    ruleset = _ruleset("{branch: [1.20, main], tag: v1, operator: or}")

    assert ruleset.if_.branch == ("1.20", "main")


def test_a_ruleset_that_removes_the_step_says_why() -> None:
    plan = plan_of("version: 1\nsteps: [{name: s, image: i, ruleset: {event: push}}]", TAGGED)

    assert [pruned.why for pruned in plan.pruned] == [
        "event 'tag' does not match 'push'",
        "none of its steps is left",
    ]
