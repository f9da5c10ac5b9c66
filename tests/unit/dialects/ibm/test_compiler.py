"""What is around the two versions: which it is, for which kind, and where it runs."""

import pytest

from runner.dialects.text import examine, to_plan
from runner.errors import UsageError
from runner.plan import codec
from runner.plan.model import Facts
from runner.plan.trigger import Repository, Trigger
from tests.support.ibm import findings_of, plan_of, validated, warnings_of

SETUP = "setup: {script: s}\n"
TASKS = "tasks: {pr-code-checks: {steps: [{name: unit-test, script: t}]}}\n"


@pytest.mark.parametrize("version", ["1", "'1'", '"1"'])
def test_version_1_is_a_file_of_stages(version: str) -> None:
    assert [stage.name for stage in plan_of(f"version: {version}\n{SETUP}", "pr").stages] == ["setup"]


@pytest.mark.parametrize("version", ["2", "'2'", '"2"'])
def test_version_2_is_a_file_of_tasks(version: str) -> None:
    assert [stage.name for stage in plan_of(f"version: {version}\n{TASKS}", "pr").stages] == ["pr-code-checks"]


@pytest.mark.parametrize(("text", "version", "stage"), [(SETUP, "1", "setup"), (TASKS, "2", "pr-code-checks")])
def test_a_file_without_a_version_is_taken_for_the_one_that_it_looks_like(text: str, version: str, stage: str) -> None:
    assert [each.name for each in plan_of(text, "pr").stages] == [stage]
    (warning,) = warnings_of(text, "pr")
    assert warning.startswith(f"in.yml:1:1: warning: the file has no version, and is taken for version {version} (")


@pytest.mark.parametrize("version", ["'3'", "1.0", "v1", "[1]", "{}"])
def test_another_version_is_refused(version: str) -> None:
    (finding,) = findings_of(f"version: {version}\n{SETUP}")

    assert finding.startswith("in.yml:1:10: there is no version ")
    assert finding.endswith("(write version: '1', or '2' for a file of tasks)")


@pytest.mark.parametrize("text", ["[]", "text", "3"])
def test_a_pipeline_is_a_map(text: str) -> None:
    assert findings_of(text) == ["in.yml:1:1: a pipeline is a map (write version: '1', and stages with their scripts)"]


def test_the_version_of_ibms_preprocessor_means_nothing() -> None:
    assert warnings_of(f"version: '1'\npreprocessor_version: latest\n{SETUP}", "pr") == []
    assert warnings_of(f"version: '2'\npreprocessor_version: latest\n{TASKS}", "pr") == []


@pytest.mark.parametrize(
    ("trigger", "kind"),
    [
        (Trigger(), "ci"),
        (Trigger(facts=Facts(event="push")), "ci"),
        (Trigger(facts=Facts(event="pull_request:opened")), "pr"),
        (Trigger(facts=Facts(event="push"), kind="cc"), "cc"),
    ],
)
def test_the_plan_says_of_which_kind_its_pipeline_is(trigger: Trigger, kind: str) -> None:
    plan = plan_of(f"version: '1'\n{SETUP}", trigger)

    assert (plan.dialect, plan.kind, plan.facts) == ("ibm", kind, trigger.facts)


def test_a_kind_that_there_is_not_is_bad_usage() -> None:
    with pytest.raises(UsageError, match="no kind of pipeline 'xx'"):
        plan_of(f"version: '1'\n{SETUP}", "xx")


@pytest.mark.parametrize(
    ("name", "workdir"),
    [
        ("octocat/shop", "/workspace/app/shop"),
        ("group/sub/shop", "/workspace/app/shop"),
        ("shop", "/workspace/app/shop"),
        ("", "/workspace/app/app"),
        ("a/..", "/workspace/app/app"),
        ("a/.", "/workspace/app/app"),
    ],
)
def test_steps_begin_in_the_repository_below_the_workspace_that_all_share(name: str, workdir: str) -> None:
    plan = plan_of(f"version: '1'\n{SETUP}", Trigger(repository=Repository(name=name), kind="pr"))

    assert (plan.home, plan.workdir) == ("/workspace/app", workdir)


def test_a_plan_can_be_stored_and_read_back() -> None:
    plan = plan_of(f"version: '1'\n{SETUP}slow-scan: {{script: x, dind: true}}\n", "ci")

    assert codec.from_document(codec.to_document(plan)) == plan
    assert plan.undefined
    assert plan.async_stages


def test_a_file_is_named_in_what_is_told_of_it_as_it_was_given() -> None:
    content = b"version: '1'\nsetup: {script: s}\n"

    plan = to_plan(content, "conf/.pipeline-config.yaml", Trigger(kind="cd"), dialect="ibm")

    assert plan.stage("deploy").fault == "Stage 'deploy' is not defined in 'conf/.pipeline-config.yaml'"


def test_the_dialect_is_found_out_from_a_stage() -> None:
    plan = examine(b"version: '1'\nsetup: {script: s}\n", "f", Trigger(kind="pr")).plan

    assert plan is not None
    assert plan.dialect == "ibm"


def test_what_is_wrong_for_every_kind_is_an_error_and_told_once() -> None:
    examined = validated("version: '1'\nsetup: {script: [a]}\ncolour: red\n")

    assert examined.plan is None
    assert [str(finding) for finding in examined.findings] == [
        "in.yml:2:1: stage 'setup' has no 'script' (write what it runs)",
        "in.yml:2:17: 'script' of stage 'setup' is a list (it must be a single value)",
        "in.yml:3:9: the stage 'colour' is a single value (write its keys under it, such as image and script)",
    ]


def test_what_is_only_a_warning_for_every_kind_is_told_once() -> None:
    examined = validated(f"version: '1'\n{SETUP}my_check: {{script: x}}\n")

    assert examined.plan is not None
    assert len(examined.findings) == 1


def test_what_is_wrong_for_each_kind_in_its_own_way_is_an_error() -> None:
    text = "version: '2'\ntasks:\n" + "".join(
        f"  {name}: {{runAfter: [zzz]}}\n" for name in ("code-build", "pr-code-checks", "cd-deploy", "cc-repo-scan")
    )

    examined = validated(text)

    assert examined.plan is None
    assert [str(finding).partition(" pipeline: ")[0] for finding in examined.findings] == [
        "in.yml:3:27: in a ci",
        "in.yml:4:31: in a pr",
        "in.yml:5:26: in a cd",
        "in.yml:6:29: in a cc",
    ]


def test_a_hundred_errors_end_the_reading() -> None:
    text = "version: '1'\n" + "".join(f"s{number}: text\n" for number in range(150))

    assert len(findings_of(text)) == 101
    assert validated(text).plan is None
