"""The steps of pipelines."""

import pytest

from runner.plan.mapping import resolution
from runner.plan.model import Limits, PullPolicy, SecretUse, Step
from runner.plan.trigger import Trigger
from tests.support.metalus import finding_of, findings_of, plan_of, step_of, step_text, warnings_of


def _told(keys: str) -> str:
    return finding_of(step_text(keys))


def test_a_step_is_a_container() -> None:
    step = step_of("""
        image: golang:1.22
        commands: [go build, 'echo "$HOME" || true']
        environment: {A: b}
        """)

    assert step == Step(
        name="p/s",
        image="golang:1.22",
        commands=("go build", 'echo "$HOME" || true'),
        environment={"A": "b"},
        pipeline="p",
        id="s",
    )


def test_all_that_a_container_may_be_asked_for_is_read() -> None:
    step = step_of("""
        image: i
        commands: make
        pull: on_start
        user: '1000:1000'
        entrypoint: [/bin/tool, -v]
        working_dir: src
        timeout: 1m30s
        retry: 2
        limits: {cpus: 0.5, memory: 64m, pids: 100}
        shell: bash
        artifacts: {paths: [out/*.txt, report]}
        type: pipeline
        displayName: D
        description: {a: b}
        """)

    assert (step.commands, step.pull, step.user, step.entrypoint) == (
        ("make",),
        PullPolicy.ON_START,
        "1000:1000",
        ("/bin/tool", "-v"),
    )
    assert (step.working_dir, step.timeout, step.retry, step.shell) == ("src", 90.0, 2, "bash")
    assert step.limits == Limits(cpus=0.5, memory=64 * 1024**2, pids=100)
    assert step.artifacts == ("out/*.txt", "report")


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("commands: [a]", "6:9: step 's' has no 'image' (name the image that it runs in)"),
        ("image: ''", "6:16: step 's' has no 'image' (name the image that it runs in)"),
        ("image: #x", "has no 'image' (name the image that it runs in; put one that begins with '#' in quotes)"),
        ("image: [i]", "6:16: 'image' of step 's' is a list (it must be a single value)"),
        ("{image: i, commands: {a: b}}", "'commands' of step 's' is a map"),
        ("{image: i, commands: [[a]]}", "'commands' of step 's' holds a list"),
        ("{image: i, pull: sometimes}", "'pull' of step 's' is 'sometimes'"),
        ("{image: i, pull: alway}", "did you mean 'always'?"),
        ("{image: i, timeout: soon}", "'timeout' of step 's': 'soon' is not a duration"),
        ("{image: i, retry: 11}", "'retry' of step 's': '11' is not a number of further attempts"),
        ("{image: i, limits: {memory: 1k}}", "'memory' of 'limits' of step 's': '1k' is less than any"),
        ("{image: i, limits: 3}", "'limits' of step 's' is a single value (it must be a map)"),
        ("{image: i, environment: [A=b]}", "'environment' of step 's' is a list (it must be a map)"),
        ("{image: i, environment: {A=B: c}}", "'A=B' cannot be the name of a variable"),
        ("{image: i, environment: {'': c}}", "'' cannot be the name of a variable"),
        ("{image: i, type: fork}", "'type' of step 's' is 'fork' (it must be one of pipeline)"),
        ("{image: i, nextStepId: t}", "step 's' cannot have 'nextStepId' (steps run in the order of their list"),
        ("{image: i, retryLimit: 3}", "step 's' cannot have 'retryLimit' (write 'retry')"),
        ("{image: i, ruleset: {branch: a}}", "step 's' cannot have 'ruleset' (an evaluation pipeline decides"),
        ("{image: i, params: [a]}", "step 's' cannot have 'params' (write 'parameters', or 'environment')"),
    ],
)
def test_what_is_wrong_in_a_step_is_told_with_what_would_be_right(keys: str, told: str) -> None:
    keys = keys.removeprefix("{").removesuffix("}") if keys.startswith("{") else keys

    assert told in _told(keys.replace("image: i, ", "image: i\n"))


@pytest.mark.parametrize("key", ["nextStepId", "executeIfEmpty", "nextStepOnError", "retryLimit", "params"])
def test_a_refused_key_of_metalus_without_a_value_asks_for_nothing(key: str) -> None:
    assert step_of(f"image: i\n{key}:").image == "i"


def test_keys_that_mean_something_to_metalus_only_are_let_pass() -> None:
    (warning,) = warnings_of(step_text("image: i\nengineMeta: {spark: a.b}"))

    assert warning.startswith("7:9: warning: 'engineMeta' of step 's' means something to Metalus only")


def test_single_values_are_the_text_of_variables_as_they_are_written() -> None:
    step = step_of("""
        image: i
        environment: {A: true, B: 42, C: 1.50, D: 007, E: '', F: "x\\ny", G: yes}
        """)

    assert step.environment == {"A": "true", "B": "42", "C": "1.50", "D": "007", "E": "", "F": "x\ny", "G": "yes"}


def test_lists_and_maps_are_json_in_variables() -> None:
    step = step_of("""
        image: i
        environment: {L: [1, true, null, x y, 1.20], M: {b: 'ü', a: {}}, N: [], P: [a || b, 'it''s']}
        """)

    assert step.environment == {
        "L": '[1,true,null,"x y","1.20"]',
        "M": '{"b":"ü","a":{}}',
        "N": "[]",
        "P": '["a || b","it\'s"]',
    }


@pytest.mark.parametrize(
    ("value", "shown"),
    [("['!x']", "'!x'"), ("{a: [b, '@s']}", "'@s'"), ("{'!{x}': 1}", "'!{x}'"), ("['\\!x']", r"'\\!x'")],
)
@pytest.mark.parametrize("key", ["environment", "parameters"])
def test_a_reference_inside_a_list_or_map_of_a_variable_is_an_error(key: str, value: str, shown: str) -> None:
    told = _told(f"image: i\n{key}: {{A: {value}}}")

    assert f"A in {key!r} of step 's' holds a reference inside a list or a map: {shown}" in told
    assert "put the list or map into globals" in told


@pytest.mark.parametrize("key", ["environment", "parameters"])
def test_a_list_that_nobody_could_be_given_is_an_error(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolution, "_MOST_WORK", 50)

    told = _told(f"image: i\n{key}: {{A: [{'x' * 60}]}}")

    assert f"A in {key!r} of step 's': this comes to more than 50 characters" in told


def test_parameters_are_variables_with_a_prefix_in_upper_case() -> None:
    step = step_of("""
        image: i
        environment: {PARAMETER_B: lost, A: kept}
        parameters: {b: '!x || y', dry-run: true, List: [1, 2], map: {k: v}}
        """)

    assert step.environment == {
        "PARAMETER_B": "!x || y",
        "A": "kept",
        "PARAMETER_DRY-RUN": "true",
        "PARAMETER_LIST": "[1,2]",
        "PARAMETER_MAP": '{"k":"v"}',
    }


def test_of_two_parameters_that_are_one_variable_the_later_counts() -> None:
    text = step_text("image: i\nparameters: {a: 1, A: 2}")

    assert warnings_of(text) == [
        "7:28: warning: A in 'parameters' of step 's' is PARAMETER_A, as one before it (keep one of them)"
    ]
    assert plan_of(text).stages[0].steps[0].environment == {"PARAMETER_A": "2"}


@pytest.mark.parametrize(("key", "variables"), [("environment", {"A": ""}), ("parameters", {})])
@pytest.mark.parametrize("value", ["null", "~", "", " #step.name"])
def test_a_variable_without_a_value_is_told_of(key: str, value: str, variables: dict[str, str]) -> None:
    text = step_text(f"image: i\n{key}:\n  A: {value}")

    (warning,) = warnings_of(text)

    assert f"A in {key!r} of step 's' has no value (put one that begins with '#' in quotes" in warning
    assert plan_of(text).stages[0].steps[0].environment == variables


@pytest.mark.parametrize("text", ["!A.x[0].y || none", "@s", "#p.s.name", "$s", "a !{b} c", r"\!x", "a@b.c", "#1 100%"])
def test_references_and_what_only_looks_like_them_stay_for_the_run(text: str) -> None:
    step = step_of(f"image: '{text}'\nenvironment: {{A: '{text}'}}")

    assert (step.image, step.environment) == (text, {"A": text})


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("image: '!x[a]'", "6:16: 'image' of step 's': !x[a]: '[a]' is neither a key nor an index"),
        ("image: i\nenvironment: {A: '!x..y'}", "7:26: A in 'environment' of step 's': !x..y: "),
        ("image: i\nparameters: {a: 'x !{y'}", "7:25: a in 'parameters' of step 's': x !{y: !{ has no } behind it"),
    ],
)
def test_a_reference_that_cannot_be_read_is_an_error_at_its_place(keys: str, told: str) -> None:
    assert _told(keys).startswith(told)


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ("user: '!x'", "user"),
        ("entrypoint: [sh, '@s']", "entrypoint"),
        ("working_dir: '!{x}/y'", "working_dir"),
        ("shell: '#s.name'", "shell"),
    ],
)
def test_a_reference_where_none_can_stand_is_an_error(keys: str, key: str) -> None:
    told = _told(f"image: i\n{keys}")

    assert f"{key!r} of step 's' is " in told
    assert "and no reference can stand there (it can in image, environment and parameters)" in told


def test_what_a_shell_would_read_there_is_no_reference() -> None:
    assert step_of("image: i\nentrypoint: ['$HOME/bin/x', '! true', '#!/bin/sh']").entrypoint == (
        "$HOME/bin/x",
        "! true",
        "#!/bin/sh",
    )


def test_commands_are_never_looked_at() -> None:
    commands = ("!x", "echo !{y", "make || !true", "@s", "# comment")

    assert step_of(f"image: i\ncommands: {list(commands)}").commands == commands


def test_an_unquoted_reference_is_read_as_it_looks_with_a_warning() -> None:
    text = step_text("image: i\nenvironment:\n  A: !ROOT.x\n  B: !x y")

    assert plan_of(text).stages[0].steps[0].environment == {"A": "!ROOT.x", "B": "!x y"}
    assert [warning.split(": ", 1)[1] for warning in warnings_of(text)] == [
        "warning: this is read as the text '!ROOT.x' (put it in quotes)",
        "warning: this is read as the text '!x y' (put it in quotes)",
    ]


def test_secrets_are_names_or_maps() -> None:
    assert step_of("image: i\nsecrets: [token, {source: k/v, target: key}, ~]").secrets == (
        SecretUse(source="token", target="TOKEN"),
        SecretUse(source="k/v", target="KEY"),
    )
    assert step_of("image: i\nsecrets: token").secrets == (SecretUse(source="token", target="TOKEN"),)


@pytest.mark.parametrize(
    ("secrets", "told"),
    [
        ("[[a]]", "'secrets' of step 's' holds a list (it must be a list of names, or of maps with"),
        ("[{source: a}]", "a secret of step 's' has no 'target'"),
        ("[{target: a}]", "a secret of step 's' has no 'source'"),
        ("[a=b]", "'a=b' cannot be the name of a variable"),
        ("{a: b}", "'secrets' of step 's' is a map"),
    ],
)
def test_secrets_of_a_wrong_kind_are_errors(secrets: str, told: str) -> None:
    assert told in _told(f"image: i\nsecrets: {secrets}")


def test_a_variable_from_outside_hides_what_is_wrong_with_none() -> None:
    text = step_text("image: i\nenvironment: {A: '!x[a]', B=C: 1}")

    assert len(findings_of(text, Trigger(environment={"A": "1"}))) == 2
