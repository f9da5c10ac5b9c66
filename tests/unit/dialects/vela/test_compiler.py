"""A whole pipeline to a plan."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.dialects.vela import defaults
from runner.errors import InvalidPipelineError
from runner.plan.model import Facts, Plan, Stage, Step
from runner.plan.trigger import Trigger
from tests.support.pipelines import PUSH, findings_of, plan_of, variables_of

STEP = "steps: [{name: s, image: i}]"


def test_the_smallest_pipeline_is_a_plan() -> None:
    own = {"VELA_STEP_STAGE": "", "VELA_STEP_NAME": "s", "VELA_STEP_IMAGE": "i", "VELA_STEP_NUMBER": "1"}

    assert plan_of(f"version: '1'\n{STEP}") == Plan(
        dialect="vela",
        stages=(Stage(name="steps", steps=(Step(name="s", image="i", environment=own),)),),
        facts=PUSH,
        home="/vela",
        workdir="/vela/src",
        environment=defaults.of_run(Trigger(facts=PUSH), "/vela/src"),
        outputs="/vela/outputs",
        told=defaults.TOLD,
    )


@pytest.mark.parametrize("version", ["1", "'1'", "v1", "2"])
def test_any_version_but_legacy_will_do(version: str) -> None:
    assert plan_of(f"version: {version}\n{STEP}").stages


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (STEP, "in.yml:1:1: the pipeline has no 'version' (write version: '1' at the top)"),
        (f"version: ''\n{STEP}", "in.yml:1:10: the pipeline has no 'version' (write version: '1' at the top)"),
        (f"version:\n{STEP}", "in.yml:1:9: the pipeline has no 'version' (write version: '1' at the top)"),
        (f"version: legacy\n{STEP}", "in.yml:1:10: the version 'legacy' is no more (write version: '1' at the top)"),
        (f"version: [1]\n{STEP}", "in.yml:1:10: 'version' of the pipeline is a list (it must be a single value)"),
        ("[]", "in.yml:1:1: a pipeline is a map (write its keys, such as version: '1' and steps:)"),
        ("text", "in.yml:1:1: a pipeline is a map (write its keys, such as version: '1' and steps:)"),
    ],
)
def test_a_document_that_is_no_pipeline_says_what_would_be_right(text: str, told: str) -> None:
    assert findings_of(text) == [told]


def test_an_empty_document_is_refused() -> None:
    assert findings_of("") != []


@pytest.mark.parametrize(
    ("metadata", "receivers"),
    [
        ("{}", ["step", "service", "origin"]),
        ("{environment: }", ["step", "service", "origin"]),
        ("{environment: [steps, services, secrets]}", ["step", "service", "origin"]),
        ("{environment: [steps]}", ["step"]),
        ("{environment: services}", ["service"]),
        ("{environment: [secrets]}", ["origin"]),
        ("{environment: []}", []),
    ],
)
def test_metadata_says_who_receives_the_global_environment(metadata: str, receivers: list[str]) -> None:
    plan = plan_of(f"""
        version: 1
        metadata: {metadata}
        environment: {{G: 1}}
        services: [{{name: d, image: i}}]
        secrets: [{{origin: {{name: v, image: i}}}}]
        {STEP}
    """)
    environments = {
        "step": plan.stages[0].steps[0].environment,
        "service": plan.services[0].environment,
        "origin": plan.origins[0].environment,
    }

    assert [name for name, environment in environments.items() if "G" in environment] == receivers


def test_metadata_takes_nothing_from_the_environment_of_a_stage() -> None:
    plan = plan_of(
        f"version: 1\nmetadata: {{environment: []}}\nenvironment: {{G: 1}}\n"
        f"stages: {{a: {{environment: {{S: 1}}, {STEP}}}}}"
    )

    assert variables_of(plan.stages[0].steps[0]) == {"S": "1"}


def test_a_receiver_that_does_not_exist_is_a_warning() -> None:
    plan = plan_of(f"version: 1\nmetadata: {{environment: [step]}}\n{STEP}")

    assert plan.warnings == (
        "in.yml:2:26: warning: 'environment' of the metadata names 'step' (it can name steps, services, secrets)",
    )


@pytest.mark.parametrize(
    "metadata",
    ["{clone: false}", "{clone: true}", "{template: true}", "{render_inline: false}", "{auto_cancel: {running: true}}"],
)
def test_metadata_that_means_nothing_here_is_accepted(metadata: str) -> None:
    assert plan_of(f"version: 1\nmetadata: {metadata}\n{STEP}").warnings == ()


def test_metadata_that_would_change_the_pipeline_is_refused_by_name() -> None:
    (told,) = findings_of(f"version: 1\nmetadata: {{render_inline: true}}\n{STEP}")

    assert told.startswith("in.yml:2:12: 'render_inline' in the metadata is not supported yet (")


def test_metadata_that_is_no_map_is_an_error() -> None:
    assert findings_of(f"version: 1\nmetadata: [clone]\n{STEP}") == [
        "in.yml:2:11: 'metadata' of the pipeline is a list (it must be a map)"
    ]


def test_facts_are_kept_for_the_rules_that_the_run_decides() -> None:
    facts = Facts(branch="dev", event="tag", tag="v1", path=("a",))

    assert plan_of(f"version: 1\n{STEP}", facts).facts == facts


def test_warnings_come_in_the_order_of_the_file() -> None:
    plan = plan_of("version: 1\nsteps:\n  - {name: a, image: i, secrets: [x]}\n  - {name: b, image: i, zzz: 1}\nyyy: 1")

    assert [warning.split(":")[1] for warning in plan.warnings] == ["3", "4", "5"]


def test_strict_turns_every_warning_into_an_error() -> None:
    told = findings_of("version: 1\nsteps:\n  - {name: a, image: i, secrets: [x], zzz: 1}", strict=True)

    assert len(told) == 2
    assert not any("warning" in line for line in told)


def test_strict_changes_nothing_where_there_is_no_warning() -> None:
    assert plan_of(f"version: 1\n{STEP}", strict=True) == plan_of(f"version: 1\n{STEP}")


def test_a_warning_of_the_loader_is_one_of_the_plan() -> None:
    (warning,) = plan_of(f"version: 1\n{STEP}\nx-a: &a {{}}\nx-b: {{<<: *a, <<: *a}}").warnings

    assert "duplicate '<<'" in warning


def test_errors_and_warnings_come_together() -> None:
    told = findings_of("version: 1\nzzz: 1\nsteps: [{name: a}]")

    assert told == [
        "in.yml:2:1: warning: a pipeline has no key 'zzz' (it is ignored)",
        "in.yml:3:9: step 'a' has no 'image' (name the image that it runs in)",
    ]


def test_everything_that_is_wrong_in_a_step_is_told_in_the_order_of_the_file() -> None:
    told = findings_of("""
        version: 1
        steps:
          - name: ${A[0]}
            image: [i]
            ulimits: [a]
            environment: {B: "${B[0]}"}
            parameters: {c: "${C[0]}"}
            cache: [{}]
            secrets: [{source: d}]
            ruleset: {eval: "==", branch: "${D[0]}"}
    """)

    lines = [int(line.split(":")[1]) for line in told]
    assert lines == sorted(lines)
    assert set(lines) == {4, 5, 6, 7, 8, 9, 10, 11}
    assert len(told) == len(set(told))


def test_a_hostile_number_of_steps_with_variables_is_compiled_in_good_time() -> None:
    commands = ", ".join(["'${A//x/y} ${A##*x} ${#A}'"] * 3)
    steps = "\n".join(f"- {{name: s{number}, image: i, commands: [{commands}]}}" for number in range(200))

    plan = plan_of(f"version: 1\nenvironment: {{A: {'x' * 2000}}}\nsteps:\n{steps}\n")

    assert plan.stages[0].steps[-1].commands[0] == f"{'y' * 2000}  2000"


WORDS = st.sampled_from(
    (
        *("version", "steps", "stages", "services", "secrets", "name", "image", "commands", "ruleset", "if", "unless"),
        *("branch", "status", "environment", "metadata", "needs", "timeout", "source", "target", "clone", "[", "a=b"),
        *("origin", "parameters", "ready", "port", "command", "limits", "cpus", "ulimits", "soft", "hard", "volumes"),
        *("cache", "key", "paths", "artifacts", "deployment", "required", "eval", "A == 'b'", "${A}", "$${A[0]}"),
    )
)
TREES = st.recursive(
    WORDS | st.none() | st.booleans() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=25,
)


@given(st.dictionaries(WORDS, TREES, max_size=6))
def test_no_document_makes_the_compiler_fail_otherwise_than_with_findings(tree: dict[str, object]) -> None:
    try:
        plan = plan_of(json.dumps(tree))
    except InvalidPipelineError as error:
        assert error.findings  # noqa: PT017 - either end is right, and this is what must hold at this one
    else:
        assert plan.dialect == "vela"
