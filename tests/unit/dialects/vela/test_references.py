"""Which texts of a Vela file are references, and what variables do in them."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runner.dialects.vela.references import could_refer, data, is_reference, literal
from runner.plan import mapping
from runner.plan.mapping import Scope
from runner.plan.model import Facts, Step
from runner.plan.substitution import late
from runner.plan.trigger import Commit, Trigger
from tests.support.pipelines import PUSH, findings_of, plan_of

SHELL_LIKE = st.text("!@#$\\{}|.[ ab1", max_size=16)


def _step(keys: str, trigger: Trigger | Facts = PUSH) -> Step:
    return plan_of(f"version: 1\nglobals: {{g: 1}}\nsteps: [{{name: s, image: i, {keys}}}]", trigger).stages[0].steps[0]


def _value(text: str, trigger: Trigger | Facts = PUSH, more: str = "") -> str:
    return _step(f"environment: {{A: '{text}'{more}}}", trigger).environment["A"]


def _started(step: Step, **outputs: str) -> dict[str, str]:
    """Return the variables as the engine fills them in: references first, then variables where there were none."""
    scope = Scope(own={"g": 1})
    resolved = {
        n: mapping.text_of(mapping.resolve(t, scope)) for n, t in step.environment.items() if mapping.is_mapped(t)
    }
    known = {**step.environment, **resolved, **outputs}
    rest = {n: late(t, known) if step.late else t for n, t in step.environment.items() if n not in resolved}
    return {**rest, **resolved}


@pytest.mark.parametrize(
    "text", ["!a", "@step", "#step.name", "!a || b", "b || !a", "x-!{a}", "!{a", r"\!a", r"a \!{b}"]
)
def test_what_has_a_mark_is_a_reference(text: str) -> None:
    assert is_reference(text)


@pytest.mark.parametrize(
    "text", ["", "a", "$NAME", "$a.b", "a || $b", "a || b", "#1 100%", "a@b.example", "${A}", "$!a"]
)
def test_no_other_text_is_one_and_none_that_begins_with_a_dollar(text: str) -> None:
    assert not is_reference(text)


@given(SHELL_LIKE)
@example("a || !b")
@example("x !{a} || @c")
@example("!{a !{b} || c")
def test_a_literal_text_means_itself(text: str) -> None:
    escapes = re.search(r"(\A|\|\|)\s*\\[!@#$]\w", text)

    if not escapes and not text.startswith("$"):
        assert mapping.resolve(literal(text), Scope()) == text


@given(SHELL_LIKE)
def test_a_text_without_references_is_its_own_literal(text: str) -> None:
    assert mapping.is_mapped(text) or literal(text) == text


@pytest.mark.parametrize("text", ["!a", " @b", "#12 done", r"\!x", "a!{b}", "a || b", "wow!", "back\\"])
def test_a_value_that_could_change_a_reference_is_known(text: str) -> None:
    assert could_refer(text)


@pytest.mark.parametrize(
    "text", ["", "main", "v1.2", "a@b.example", "repo@sha256:0a1", "feature/#12", "100% $5", "a | b"]
)
def test_usual_values_could_not(text: str) -> None:
    assert not could_refer(text)


def test_variables_are_put_into_a_reference() -> None:
    assert _value("!{g}/${VELA_BUILD_BRANCH}:${B}", more=", B: b") == "!{g}/main:b"


def test_a_price_in_a_reference_is_not_looked_at_again() -> None:
    trigger = Trigger(facts=PUSH, environment={"COST": "$5"})

    step = _step("environment: {A: '!{g} ${COST} $${X}', B: '${OUT}'}", trigger)

    assert _started(step)["A"] == "1 $5 ${X}"


@pytest.mark.parametrize("message", ["!g", "x || !g", "a!{g}", "#12 done", "@me", "a || b"])
def test_what_comes_from_outside_never_becomes_a_reference(message: str) -> None:
    trigger = Trigger(facts=PUSH, commit=Commit(message=message), environment={"GIVEN": message})

    step = _step("environment: {A: 'm: ${VELA_BUILD_MESSAGE}', B: '${GIVEN}', C: '${VELA_BUILD_MESSAGE}'}", trigger)

    started = _started(step, VELA_BUILD_MESSAGE=message)
    assert (started["A"], started["B"], started["C"]) == (f"m: {message}", message, message)
    assert started["GIVEN"] == message


def test_what_comes_from_outside_does_not_change_a_reference() -> None:
    trigger = Trigger(facts=PUSH, commit=Commit(message="x || !h"))

    (told,) = findings_of(
        "version: 1\nglobals: {g: 1}\nsteps: [{name: s, image: i, environment: {A: '!g || ${VELA_BUILD_MESSAGE}'}}]",
        trigger,
    )

    assert "variable A: ${VELA_BUILD_MESSAGE} has a value that would change the reference around it" in told


def test_a_variable_that_is_known_only_at_the_start_cannot_stand_in_a_reference() -> None:
    (told,) = findings_of("version: 1\nglobals: {g: 1}\nsteps: [{name: s, image: i, environment: {A: '!{g}${OUT}'}}]")

    assert told.startswith("in.yml:3:43: variable A: ${OUT} stands in a reference, and is known only when the step")


def test_a_reference_is_no_value_before_its_step_starts() -> None:
    step = _step("environment: {A: '!g', B: 'v${A}'}, commands: ['echo ${A} ${B}'], user: '${A}'")

    assert (step.environment["A"], step.environment["B"]) == ("!g", "v${A}")
    assert (step.commands, step.user, step.late) == (("echo ${A} v${A}",), "${A}", True)
    assert _started(step)["B"] == "v1"


def test_a_rule_does_not_compare_the_text_of_a_reference() -> None:
    step = "{name: s, image: i, environment: {A: '!g'}, ruleset: {eval: \"A == '!g'\"}}"

    plan = plan_of(f"version: 1\nglobals: {{g: 1}}\nsteps: [{step}]")

    assert plan.stages == ()


def test_an_output_keeps_the_meaning_that_it_has_in_vela() -> None:
    assert _value("$OUT") == "$OUT"
    assert _value("$g.x") == "$g.x"


def test_an_image_may_be_a_reference_and_the_variable_that_holds_it_is_the_same() -> None:
    plan = plan_of("version: 1\nglobals: {g: 1}\nsteps: [{name: s, image: '!{g}/a:${VELA_BUILD_BRANCH}'}]")

    (step,) = plan.stages[0].steps
    assert (step.image, step.environment["VELA_STEP_IMAGE"], step.late) == ("!{g}/a:main", "!{g}/a:main", False)


def test_an_image_may_stand_in_a_variable_that_is_a_reference() -> None:
    plan = plan_of("version: 1\nglobals: {g: 1}\nsteps: [{name: s, image: '${A}:1', environment: {A: '!g'}}]")

    (step,) = plan.stages[0].steps
    assert (step.image, step.late, plan.warnings) == ("${A}:1", True, ())


def test_the_name_of_a_step_is_never_a_reference() -> None:
    plan = plan_of("version: 1\nglobals: {g: 1}\nsteps: [{name: '!g', image: i}]")

    assert _started(plan.stages[0].steps[0])["VELA_STEP_NAME"] == "!g"


def test_an_image_that_cannot_be_read_is_an_error_at_its_place() -> None:
    (told,) = findings_of("version: 1\nglobals: {g: 1}\nsteps: [{name: s, image: '!{g'}]")

    assert told.startswith("in.yml:3:26: 'image' of step 's': ")


def test_a_parameter_may_be_a_reference() -> None:
    assert _step("parameters: {a: '!g.list', b: 'x-!{g}', c: [1, 2]}").environment.items() >= {
        ("PARAMETER_A", "!g.list"),
        ("PARAMETER_B", "x-!{g}"),
        ("PARAMETER_C", "1,2"),
    }


@pytest.mark.parametrize("value", ["['!g']", "{k: '!{g}'}", "[[x], {k: ['@s']}]"])
def test_a_reference_within_a_list_or_a_map_of_a_parameter_is_an_error(value: str) -> None:
    (told,) = findings_of(f"version: 1\nglobals: {{g: 1}}\nsteps: [{{name: s, image: i, parameters: {{a: {value}}}}}]")

    assert "stands in a list or map, the parameter 'a' (write all of it as a text" in told


def test_where_nothing_is_mapped_a_parameter_may_hold_anything() -> None:
    plan = plan_of("version: 1\nsteps: [{name: s, image: i, parameters: {a: ['!g', '@s']}}]")

    assert plan.stages[0].steps[0].environment["PARAMETER_A"] == "!g,@s"


def test_services_and_plugins_have_no_references() -> None:
    plan = plan_of("""
        version: 1
        globals: {g: 1}
        environment: {A: "!g"}
        services: [{name: d, image: "i:${A}"}]
        secrets: [{origin: {name: o, image: i, environment: {B: "${A}"}}}]
        steps: [{name: s, image: i}]
    """)

    assert (plan.services[0].image, plan.services[0].environment["A"]) == ("i:!g", "!g")
    assert (plan.origins[0].pipeline, plan.stages[0].steps[0].pipeline) == ("", "steps")


def test_a_text_of_data_that_begins_with_a_dollar_stays_a_text() -> None:
    assert data(["$5", {"home": "$HOME"}, "!x", 3]) == ["\\$5", {"home": "\\$HOME"}, "!x", 3]
