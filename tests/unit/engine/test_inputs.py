from dataclasses import replace
from pathlib import PurePosixPath

import pytest

from runner.engine.inputs import PAYLOAD, Inputs
from runner.errors import UsageError
from runner.plan.model import Facts
from runner.plan.trigger import Commit, PullRequest, Repository, Trigger
from tests.support.plans import plan, stage, step

_PUSH = Trigger(
    facts=Facts(event="push", branch="main", sender="ada"),
    commit=Commit(sha="0123", message="Mend\n\nall"),
    repository=Repository(name="acme/shop", clone="https://git.example.test/acme/shop.git"),
)
_REQUEST = Trigger(
    facts=Facts(event="pull_request:opened", branch="main"),
    commit=Commit(sha="0123", message="Mend\n\nall"),
    repository=Repository(name="acme/shop"),
    pull_request=PullRequest(number="7", source="mend", target="main"),
)


def test_a_run_without_inputs_has_no_configuration() -> None:
    assert Inputs().config() == {}
    assert Inputs().store("/w", "/w") == {"p.pipeline_namespace": b"ci\n"}


def test_parameters_are_files_and_win_over_properties() -> None:
    trigger = Trigger(parameters={"region": "us", "a/b": "no file"})
    inputs = Inputs(properties={"region": "eu", "app": "shop"}, secure={"key": "k3y"}, trigger=trigger)

    files = {str(path): content for path, content in inputs.config().items()}

    assert files == {
        "region": b"us",
        "environment-properties/region": b"us",
        "app": b"shop",
        "environment-properties/app": b"shop",
        "key": b"k3y",
        "secure-properties/key": b"k3y",
    }


def test_what_a_webhook_sent_is_a_file_whose_path_is_told() -> None:
    inputs = Inputs(payload=b"{}")

    assert inputs.config() == {PurePosixPath(PAYLOAD): b"{}"}
    assert inputs.variables("r", "s", "/w", "/w")["TRIGGER_PAYLOAD_PATH"] == f"/config/{PAYLOAD}"
    assert inputs.variables("r", "s", "/w", "/w")["TRIGGER_TYPE"] == "scm"


def test_scripts_know_the_branch_and_the_commit_without_having_set_them() -> None:
    found = Inputs(kind="cc", trigger=_PUSH).store("/vela", "/vela/src")

    assert found == {
        "p.pipeline_namespace": b"cc\n",
        "p.branch": b"main\n",
        "p.git-branch": b"main\n",
        "p.commit-sha": b"0123\n",
        "p.git-commit": b"0123\n",
        "p.repository": b"https://git.example.test/acme/shop.git\n",
        "p.repository-url": b"https://git.example.test/acme/shop.git\n",
    }


def test_a_pipeline_of_a_kind_has_these_keys_as_files_too() -> None:
    files = {str(path): content for path, content in Inputs(kind="cc", trigger=_PUSH).config().items()}

    assert files["git-branch"] == b"main"
    assert Inputs(trigger=_PUSH).config() == {}


@pytest.mark.parametrize("kind", ["ci", "pr"])
def test_where_scripts_count_on_it_the_repository_is_registered(kind: str) -> None:
    found = Inputs(kind=kind, trigger=_PUSH).store("/vela", "/vela/src")

    assert {name: content for name, content in found.items() if name.startswith("r.")} == {
        "r.app-repo": b"",
        "r.app-repo,url": b"https://git.example.test/acme/shop.git\n",
        "r.app-repo,path": b"src\n",
        "r.app-repo,commit": b"0123\n",
        "r.app-repo,branch": b"main\n",
    }


@pytest.mark.parametrize(
    ("event", "kind"), [("push", "ci"), ("pull_request:opened", "pr"), ("deployment:created", "cd"), ("tag", "ci")]
)
def test_where_nobody_names_a_kind_the_event_does(event: str, kind: str) -> None:
    assert Inputs(trigger=Trigger(facts=Facts(event=event))).store("/w", "/w")["p.pipeline_namespace"] == (
        f"{kind}\n".encode()
    )


def test_the_api_key_has_its_older_name_too_unless_that_is_given() -> None:
    files = {str(path): text for path, text in Inputs(secure={"ibmcloud-api-key": "k3y"}).config().items()}

    assert files["api-key"] == files["secure-properties/api-key"] == b"k3y"
    given = Inputs(secure={"ibmcloud-api-key": "k3y", "api-key": "mine"}).config()
    assert given[PurePosixPath("api-key")] == b"mine"


def test_a_pull_request_tells_both_of_its_sides() -> None:
    found = Inputs(trigger=_REQUEST).store("/w", "/w")

    assert found["p.head-branch"] == b"mend\n"
    assert found["p.base-branch"] == found["p.base_ref"] == b"main\n"
    assert found["p.base-repo-owner"] == b"acme\n"
    assert found["p.pr-title"] == b"Mend\n"
    assert found["p.action"] == b"opened\n"


def test_a_property_takes_the_place_of_what_the_runner_would_answer() -> None:
    inputs = Inputs(properties={"branch": "mine"}, secure={"git-branch": "too"}, kind="ci", trigger=_PUSH)

    files = inputs.config()

    assert (files[PurePosixPath("branch")], files[PurePosixPath("git-branch")]) == (b"mine", b"too")


@pytest.mark.parametrize(("title", "told"), [("caf\udce9", b"caf\xe9"), ("half \ud83d", b"half ?")])
def test_texts_from_elsewhere_that_are_no_utf_8_are_told_as_bytes(title: str, told: bytes) -> None:
    inputs = Inputs(kind="pr", trigger=replace(_REQUEST, commit=Commit(message=title)))

    assert inputs.config()[PurePosixPath("pr-title")] == told
    assert inputs.store("/w", "/w")["p.pr-title"] == told + b"\n"


def test_the_variables_say_which_run_and_stage_it_is() -> None:
    found = Inputs(file="ci/.vela.yml", trigger=_PUSH).variables("1a2b", "build", "/vela", "/vela/src")

    assert found == {
        "APP_REPO_FOLDER": "src",
        "APP_REPO_NAME": "shop",
        "APP_REPO_OWNER": "acme",
        "BUILD_NUMBER": "1",
        "CONFIG_DIR": "/config",
        "ONE_PIPELINE_PATH": "/opt/runner",
        "PIPELINE_CONFIG_PATH": "ci/.vela.yml",
        "PIPELINE_CONFIG_REPO_PATH": "src",
        "PIPELINE_DEBUG": "0",
        "PIPELINE_ID": "acme/shop",
        "PIPELINE_NAME": "shop",
        "PIPELINE_RUN_ID": "1a2b",
        "PIPELINE_RUN_NAME": "shop-1a2b",
        "SECRET_CONFIG_DIR": "/config/secure-properties",
        "STAGE": "build",
        "TRIGGERED_BY": "ada",
        "TRIGGER_NAME": "push",
        "TRIGGER_PAYLOAD_PATH": "",
        "TRIGGER_TYPE": "manual",
        "WORKSPACE": "/vela",
    }


def test_a_parameter_wins_over_a_secure_property_where_all_look() -> None:
    trigger = Trigger(parameters={"key": "of the trigger"})
    inputs = Inputs(properties={"key": "plain"}, secure={"key": "k3y"}, trigger=trigger)

    files = {str(path): content for path, content in inputs.config().items()}

    assert files == {"key": b"of the trigger", "secure-properties/key": b"k3y"}


def test_a_parameter_wins_over_what_the_runner_would_answer() -> None:
    inputs = Inputs(kind="ci", trigger=replace(_PUSH, parameters={"branch": "mine", "trigger-payload.json": "forged"}))

    assert inputs.config()[PurePosixPath("branch")] == b"mine"
    assert replace(inputs, payload=b"{}").config()[PurePosixPath(PAYLOAD)] == b"{}"


@pytest.mark.parametrize("kind", ["ci", "pr", "cd", "cc"])
def test_a_pipeline_of_a_kind_has_the_variables_that_scripts_of_ibm_read(kind: str) -> None:
    found = Inputs(kind=kind, trigger=_PUSH).variables("r", "s", "/workspace/app", "/workspace/app/shop")

    assert (found["COMMONS_PATH"], found["STAGE_WORKSPACE"]) == ("/opt/commons", "/workspace/app")
    assert found["TOOLCHAIN_DATA_PATH"] == "/toolchain/toolchain.json"
    unknown = (
        *("IAM_ACCESS_TOKEN", "INCIDENT_ISSUES_URL", "INVENTORY_URL", "PIPELINE_RUN_URL", "PR_HTML_URL", "PR_URL"),
        "TRIGGER_PAYLOAD",
    )
    assert [found[name] for name in unknown] == [""] * len(unknown)


def test_without_a_kind_these_variables_are_those_of_whoever_sets_them() -> None:
    found = Inputs(trigger=_PUSH).variables("r", "s", "/w", "/w")

    assert not {"COMMONS_PATH", "STAGE_WORKSPACE", "TOOLCHAIN_DATA_PATH", "PR_URL", "TRIGGER_PAYLOAD"} & found.keys()


@pytest.mark.parametrize(
    ("inputs", "debug"),
    [
        (Inputs(properties={"pipeline-debug": "1"}), "1"),
        (Inputs(properties={"pipeline-debug": "true"}), "0"),
        (Inputs(properties={"pipeline-debug": "1"}, trigger=Trigger(parameters={"pipeline-debug": "0"})), "0"),
        (Inputs(secure={"pipeline-debug": "1"}), "1"),
    ],
)
def test_debugging_is_on_if_the_property_is_1(inputs: Inputs, debug: str) -> None:
    assert inputs.variables("r", "s", "/w", "/w")["PIPELINE_DEBUG"] == debug


def test_secure_properties_are_not_in_what_is_printed_of_the_inputs() -> None:
    assert "k3y" not in repr(Inputs(secure={"key": "k3y"}))


def _texts(files: dict[PurePosixPath, bytes]) -> dict[str, bytes]:
    return {str(path): content for path, content in files.items()}


def test_properties_with_a_folder_are_seen_by_no_stage_that_does_not_name_it() -> None:
    inputs = Inputs(properties={"app": "shop", "tools/url": "https://x"}, secure={"keys/a": "s3cret"})

    assert _texts(inputs.config()) == {"app": b"shop", "environment-properties/app": b"shop"}
    assert _texts(inputs.config_of(stage("s"))) == _texts(inputs.config())


def test_a_stage_sees_the_keys_of_the_configuration_that_it_names_as_files() -> None:
    inputs = Inputs(properties={"app": "shop", "tools/url": "https://x"}, secure={"keys/a": "s3cret", "keys/b": ""})

    assert _texts(inputs.config_of(stage("s", config=("tools", "keys")))) == {
        "app": b"shop",
        "environment-properties/app": b"shop",
        "url": b"https://x",
        "a": b"s3cret",
        "b": b"",
    }


def test_what_a_stage_names_wins_over_a_property_of_all_stages() -> None:
    inputs = Inputs(properties={"url": "of all", "tools/url": "of its own"})

    assert inputs.config_of(stage("s", config=("tools",)))[PurePosixPath("url")] == b"of its own"


def test_a_stage_that_names_a_property_gets_what_this_says() -> None:
    inputs = Inputs(properties={"which": "tools", "tools/url": "https://x"})

    assert inputs.config_of(stage("s", config=("$which",)))[PurePosixPath("url")] == b"https://x"


def test_a_parameter_of_the_trigger_may_say_which_configuration_it_is() -> None:
    trigger = Trigger(parameters={"which": "other"})
    inputs = Inputs(properties={"which": "tools", "tools/a": "1", "other/a": "2"}, trigger=trigger)

    assert inputs.config_of(stage("s", config=("$which",)))[PurePosixPath("a")] == b"2"


def test_a_configuration_that_nobody_has_given_is_an_error_with_what_to_give() -> None:
    with pytest.raises(UsageError, match="stage s wants the configuration 'tools', and nobody has given it") as caught:
        Inputs(properties={"toolset/a": "1"}).config_of(stage("s", config=("tools",)))

    assert caught.value.hint == "--property tools/KEY=VALUE for each of its keys, or --secret tools/KEY=@FILE"


@pytest.mark.parametrize("properties", [{}, {"which": ""}])
def test_a_property_that_is_to_name_it_and_does_not_is_an_error(properties: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="takes the name of its configuration from property which, and there is none"):
        Inputs(properties=properties).config_of(stage("s", config=("$which",)))


@pytest.mark.parametrize("apart", [False, True])
def test_what_stages_name_is_looked_for_before_a_run_begins_for_async_stages_too(*, apart: bool) -> None:
    wanting = stage("s", step("a"), config=("tools",), async_=apart)
    of = plan(async_stages=(wanting,)) if apart else plan(wanting)

    Inputs(properties={"tools/a": "1"}).check(of)
    with pytest.raises(UsageError, match="stage s wants"):
        Inputs().check(of)


def test_a_hook_is_told_as_the_trigger_and_nobody_as_who_triggered() -> None:
    inputs = Inputs(payload=b"{}", hook="Subpipeline Webhook Trigger", trigger=_PUSH)

    found = inputs.variables("r", "s", "/w", "/w")

    assert (found["TRIGGER_TYPE"], found["TRIGGER_NAME"], found["TRIGGERED_BY"]) == (
        "generic", "Subpipeline Webhook Trigger", ""
    )  # fmt: skip
    assert found["TRIGGER_PAYLOAD_PATH"] == f"/config/{PAYLOAD}"
