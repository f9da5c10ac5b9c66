"""Variables: the forms of an environment, which of several values wins, and how values refer to others.

Vela's own cases are in tests/conformance.
"""

import pytest

from runner.dialects.source import Findings, load
from runner.dialects.source import Mapping as MappingNode
from runner.dialects.vela import keys
from runner.dialects.vela.environment import Environment, Scope, check_name
from runner.dialects.vela.fields import Fields
from runner.errors import Place
from runner.plan import substitution
from runner.plan.model import Service, Step
from runner.plan.substitution import BadTemplateError, escaped
from runner.plan.trigger import Commit, Trigger
from tests.support.pipelines import PUSH, findings_of, plan_of, step_findings, step_of, step_warnings, variables_of

GIVEN = Trigger(facts=PUSH, environment={"A": "given", "PARAMETER_P": "given", "VELA_STEP_NAME": "given"})


def _step(text: str, why: Trigger = Trigger(facts=PUSH)) -> Step:  # noqa: B008 - it is frozen
    return plan_of(text, why).stages[0].steps[0]


def _service(text: str, why: Trigger = Trigger(facts=PUSH)) -> Service:  # noqa: B008 - it is frozen
    return plan_of(f"version: 1\n{text}\nsteps: [{{name: s, image: i}}]", why).services[0]


@pytest.mark.parametrize(
    ("yaml", "variables"),
    [
        (
            "environment: {A: 1.50, B: yes, C: null, D: '', E: 0755}",
            {"A": "1.50", "B": "yes", "C": "", "D": "", "E": "0755"},
        ),
        ("environment: [A=1, B=x=y, 'C=']", {"A": "1", "B": "x=y", "C": ""}),
        ("environment: [A=1, A=2]", {"A": "2"}),
        ("environment: A=1", {"A": "1"}),
        ("environment:", {}),
        ("environment: []", {}),
        ("environment: {my.dotted-name: 1, 'with space': 2}", {"my.dotted-name": "1", "with space": "2"}),
        ('environment: {A: "two\\nlines"}', {"A": "two\nlines"}),
        ("environment: {A: $B, C: '$(d)'}", {"A": "$B", "C": "$(d)"}),
    ],
)
def test_an_environment_is_a_map_a_list_or_a_single_pair(yaml: str, variables: dict[str, str]) -> None:
    assert variables_of(step_of(yaml)) == variables


@pytest.mark.parametrize("yaml", ["environment: A", "environment: [A]"])
def test_a_pair_without_a_value_is_an_error(yaml: str) -> None:
    (told,) = step_findings(yaml)

    assert told.endswith("'A' in the environment of step 's' has no value (write NAME=VALUE, or a map)")


@pytest.mark.parametrize(
    "yaml", ["environment: {'': 1}", "environment: ['=1']", "environment: {'A=B': 1}", 'environment: {"A\\nB": 1}']
)
def test_a_name_that_no_variable_can_have_is_an_error(yaml: str) -> None:
    (told,) = step_findings(yaml)

    assert "in the environment of step 's' cannot be the name of a variable" in told
    assert told.endswith("(a name is not empty, and has no '=' and no newline)")


@pytest.mark.parametrize(("name", "count"), [("A", 0), ("a b.c-d", 0), ("", 1), ("A=B", 1), ("A\nB", 1)])
def test_names_are_checked_wherever_they_come_from(name: str, count: int) -> None:
    findings = Findings()

    check_name(name, Place(file="f"), "in a test", findings)

    assert len(findings.items) == count


def test_a_nul_byte_does_not_reach_a_variable() -> None:
    (told,) = step_findings('environment: {A: "b\\0"}')

    assert "NUL" in told


@pytest.mark.parametrize("yaml", ["environment: {A: [1]}", "environment: [{A: 1}]", "environment: {A: {B: 1}}"])
def test_a_value_of_several_values_is_an_error(yaml: str) -> None:
    (told,) = step_findings(yaml)

    assert "'environment' of step 's' holds a" in told


LEVELS = """
    version: 1
    environment: {A: global}
    stages:
      a:
        environment: {A: stage}
        steps: [{name: s, image: i, environment: {A: step}}]
"""


def test_a_step_wins_over_its_stage_and_the_stage_over_the_pipeline() -> None:
    assert variables_of(_step(LEVELS)) == {"A": "step"}
    assert variables_of(_step(LEVELS.replace("{A: step}", "{}"))) == {"A": "stage"}
    assert variables_of(_step(LEVELS.replace("{A: step}", "{}").replace("{A: stage}", "{}"))) == {"A": "global"}


def test_what_whoever_asks_for_the_run_gives_wins_over_the_file() -> None:
    assert _step(LEVELS, GIVEN).environment["A"] == "given"


def test_what_is_given_wins_over_what_tells_steps_apart() -> None:
    assert _step(LEVELS, GIVEN).environment["VELA_STEP_NAME"] == "given"


def test_what_is_given_wins_over_a_default_variable() -> None:
    step = step_of("commands: ['echo ${CI}']", Trigger(facts=PUSH, environment={"CI": "false"}))

    assert step.environment["CI"] == "false"
    assert step.commands == ("echo false",)


def test_parameters_win_over_everything() -> None:
    step = step_of("environment: {PARAMETER_P: mine}\nparameters: {p: parameter}", GIVEN)

    assert step.environment["PARAMETER_P"] == "parameter"


def test_services_get_nothing_that_is_given() -> None:
    assert variables_of(_service("services: [{name: d, image: i, environment: {A: own}}]", GIVEN)) == {"A": "own"}


@pytest.mark.parametrize("name", ["CI", "VELA_BUILD_BRANCH", "VELA_BUILD_STATUS", "VELA_STEP_NAME", "BUILD_NUMBER"])
def test_a_variable_of_the_run_cannot_be_changed_by_the_file_and_trying_is_a_warning(name: str) -> None:
    yaml = f"environment:\n  {name}: mine"

    assert step_warnings(yaml) == [
        (
            f"in.yml:6:7: warning: {name} is a variable of the run, whose value cannot be changed here "
            "(choose another name, or give it with --env)"
        )
    ]
    plan = plan_of(f"version: 1\nsteps:\n- name: s\n  image: i\n  environment: {{{name}: mine, A: b}}")
    assert variables_of(plan.stages[0].steps[0]) == {"A": "b"}
    assert "mine" not in (*plan.environment.values(), *plan.stages[0].steps[0].environment.values())


@pytest.mark.parametrize(
    "text",
    [
        "environment: {CI: x}\nsteps: [{name: s, image: i}]",
        "stages: {a: {environment: {CI: x}, steps: [{name: s, image: i}]}}",
        "services: [{name: d, image: i, environment: [CI=x]}]\nsteps: [{name: s, image: i}]",
        "secrets: [{origin: {name: d, image: i, environment: CI=x}}]\nsteps: [{name: s, image: i}]",
    ],
)
def test_so_it_is_at_every_level_and_told_once(text: str) -> None:
    (warning,) = plan_of(f"version: 1\n{text}").warnings

    assert "CI is a variable of the run" in warning


def test_values_may_refer_to_others_in_any_order() -> None:
    step = step_of("environment: {A: '${B}-${VELA_BUILD_BRANCH}', B: b}")

    assert variables_of(step) == {"A": "b-main", "B": "b"}
    assert not step.late


def test_a_value_that_is_put_in_is_not_read_again() -> None:
    step = step_of("environment: {A: '${B}', B: '${C}', C: c}")

    assert (step.environment["A"], step.environment["B"]) == ("${C}", "c")
    assert substitution.late(step.environment["A"], {"C": "c"}) == "c"


def test_a_variable_that_nobody_knows_yet_stays_for_the_start_of_the_step() -> None:
    step = step_of("environment: {A: 'v${OUT}', B: '$${OUT}'}")

    assert variables_of(step) == {"A": "v${OUT}", "B": "${OUT}"}
    assert step.late


def test_a_status_that_only_the_run_knows_stays_too() -> None:
    assert step_of("environment: {A: '${VELA_BUILD_STATUS}'}").environment["A"] == "${VELA_BUILD_STATUS}"


MESSAGE = "fix: ${HOME} costs $5, $$ {and} ${A[0]}"
COMMITTED = Trigger(facts=PUSH, commit=Commit(message=MESSAGE))


def test_what_comes_from_outside_is_never_read_as_a_variable() -> None:
    step = step_of("environment: {A: '${VELA_BUILD_MESSAGE}', B: '${OUT}'}", COMMITTED)

    assert step.late
    assert substitution.late(step.environment["A"], {"HOME": "/root"}) == MESSAGE
    assert substitution.late(step.environment["VELA_STEP_NAME"], {}) == "s"


def test_what_is_given_reaches_a_step_as_it_is() -> None:
    trigger = Trigger(facts=PUSH, environment={"G": MESSAGE})

    step = step_of("environment: {B: '${OUT}'}", trigger)

    assert step.late
    assert substitution.late(step.environment["G"], {"HOME": "/root"}) == MESSAGE
    assert step_of("", trigger).environment["G"] == MESSAGE


def test_a_service_is_not_looked_at_again_and_gets_final_values() -> None:
    text = "environment: {G: g}\nservices: [{name: d, image: 'i:${G}', environment: {A: '${G}', B: '[${OUT}]', C: $$}}]"
    service = _service(text, COMMITTED)

    assert service.image == "i:g"
    assert variables_of(service) == {"G": "g", "A": "g", "B": "[]", "C": "$"}


def test_a_bad_value_is_told_once_and_at_its_own_place_however_many_steps_get_it() -> None:
    assert findings_of("""
        version: 1
        environment:
          GOOD: a
          BAD: ${A[0]}
        services: [{name: d, image: i}]
        steps: [{name: a, image: i}, {name: b, image: i, environment: {GOOD: b}}]
    """) == [
        (
            "in.yml:5:3: variable BAD: ${A[0]} is not a variable that can be substituted "
            "(write $${A[0]} so that the shell sees it)"
        )
    ]


def test_a_bad_value_of_a_parameter_is_told_where_the_parameters_stand() -> None:
    (told,) = step_findings("parameters: {p: '${A[0]}'}")

    assert told.startswith("in.yml:5:17: variable PARAMETER_P: ")


@pytest.mark.parametrize("yaml", ["environment: {A: '$${B[0]}'}", "user: '$${B[0]}'", "entrypoint: ['$${B[0]}']"])
def test_what_could_not_be_read_at_the_start_of_the_step_is_an_error_now(yaml: str) -> None:
    (told,) = step_findings(yaml)

    assert "${B[0]} is not a variable that can be substituted" in told


def test_a_scope_takes_in_the_variables_of_a_map_inside() -> None:
    findings = Findings()
    root = load(b"environment: {A: 2, R: 3}", "f.yml", findings)
    assert isinstance(root, MappingNode)
    fields = Fields(root, "stage 'a'", findings, keys.STAGE)
    scope = Scope(reserved=frozenset({"R"}), defaults={"R": "run"}, given={"G": "given"})

    environment = scope.within(fields).environment({"OWN": "own"}, {"PARAMETER_P": "p"})

    assert environment.written == {"A": "2", "PARAMETER_P": "p"}
    assert environment.given == {"OWN": "own", "G": "given"}
    assert environment.known == {"A": "2", "R": "run", "OWN": "own", "G": "given", "PARAMETER_P": "p"}
    assert environment.places == {"A": Place(file="f.yml", line=1, column=15)}
    assert scope.environment().written == {}


VARIABLES = Environment(written={"W": "w$${X}"}, given={"G": "g$$"}, known={"W": "w$${X}", "G": "g$$", "EMPTY": ""})


@pytest.mark.parametrize(
    ("text", "early", "again", "late"),
    [
        ("${W}", "w$${X}", "w$${X}", "w$${X}"),
        ("${G}", "g$$", "g$$$$", "g$$"),
        ("${NOPE}", "${NOPE}", "${NOPE}", ""),
        ("${NOPE:-d}", "${NOPE:-d}", "${NOPE:-d}", "d"),
        ("${EMPTY:-d}", "d", "d", "d"),
        ("$$", "$", "$", "$"),
        ("$$${NOPE}", "$${NOPE}", "$${NOPE}", "$"),
        ("plain", "plain", "plain", "plain"),
    ],
)
def test_there_are_three_ways_to_put_variables_in(text: str, early: str, again: str, late: str) -> None:
    assert (VARIABLES.early(text), VARIABLES.early_again(text), VARIABLES.late(text)) == (early, again, late)


@pytest.mark.parametrize("text", ["${A[0]}", "${"])
def test_a_text_that_cannot_be_read_fails_in_all_of_them(text: str) -> None:
    for substitute in (VARIABLES.early, VARIABLES.early_again, VARIABLES.late):
        with pytest.raises(BadTemplateError):
            substitute(text)


@pytest.mark.parametrize("value", ["", "a", "$", "$$", "${A}", "a$b$$c"])
def test_an_escaped_value_is_what_substitution_makes_into_the_value(value: str) -> None:
    assert substitution.late(escaped(value), {"A": "a"}) == value
