"""The files that scripts source, evidence and help."""

import json

import pytest

from runner.pipelinectl import bundle
from tests.support.shim import Shim

SOURCED = 'set -eu; . "$ONE_PIPELINE_PATH/tools/{}"; '


@pytest.mark.parametrize(
    "tool", ["retry", "get_repo_params", "get_repo_name", "get_repo_owner", "trigger-task", "collect-evidence"]
)
def test_sourcing_a_tool_changes_neither_options_nor_variables(shim: Shim, tool: str) -> None:
    script = f"before=$-; variables=$(set | grep '^[a-z]*='); {SOURCED.format(tool)} set +eu; [ $- = $before ] &&"

    done = shim.run(f'{script} [ "$(set | grep "^[a-z]*=" | grep -v ^variables=)" = "$variables" ] && echo same')

    assert (done.status, done.out, done.err) == (0, b"same\n", b"")


def test_retry_gives_up_with_the_last_exit_code(shim: Shim) -> None:
    script = (
        SOURCED.format("retry")
        + "n=0; try() { n=$((n + 1)); return $n; }; retry 3 0 try || echo $? $n; case $- in *e*) echo on; esac"
    )

    done = shim.run(script)

    assert (done.status, done.out) == (0, b"3 3\non\n")
    assert done.err.count(b"\n") == 3
    assert b"attempt 1 of 3 failed (exit code 1)" in done.err


def test_retry_stops_at_the_first_success(shim: Shim) -> None:
    script = (
        SOURCED.format("retry") + 'n=0; try() { n=$((n + 1)); [ "$1$n" = "a b2" ]; }; retry 5 0 try "a b"; echo $? $n'
    )

    assert shim.run(script).out == b"0 2\n"


def test_retry_may_retry_a_function_that_retries(shim: Shim) -> None:
    script = SOURCED.format("retry") + "inner() { retry 2 0 false; }; retry 3 0 inner 2>&1 | grep -c attempt"

    assert shim.run(script).out == b"9\n"


@pytest.mark.parametrize("arguments", ["", "0 0 true", "x 0 true", "2", "2 0"])
def test_retry_says_how_it_is_used(shim: Shim, arguments: str) -> None:
    done = shim.run(SOURCED.format("retry") + f"retry {arguments} || echo $?")

    assert done.out == b"2\n"
    assert b"usage: retry" in done.err


def test_retry_works_as_a_program(shim: Shim) -> None:
    assert shim.run('"$ONE_PIPELINE_PATH/tools/retry" 2 0 sh -c "exit 7" 2>/dev/null; echo $?').out == b"7\n"


@pytest.mark.parametrize(
    ("url", "params"),
    [
        ("https://github.com/org/app", "app org github https://api.github.com"),
        ("https://github.com/org/app.git/", "app org github https://api.github.com"),
        ("https://user:p@ss@github.example.com/org/app.git", "app org github https://github.example.com/api/v3"),
        ("https://gitlab.com/group/sub/app.git", "app group/sub gitlab https://gitlab.com/api/v4"),
        ("https://us-south.git.cloud.ibm.com/o/app", "app o gitlab https://us-south.git.cloud.ibm.com/api/v4"),
        ("git@github.com:org/app.git", "app org github https://api.github.com"),
        ("ssh://git@git.example.com:2222/org/app", "app org github https://git.example.com/api/v3"),
    ],
)
def test_the_url_of_a_repository_tells_four_things(shim: Shim, url: str, params: str) -> None:
    read = SOURCED.format("get_repo_params") + 'get_repo_params "$1" token | { read -r a b c d; echo "$a $b $c $d"; }'
    name, owner, *_ = params.split()

    assert shim.run(read, url).out.decode() == f"{params}\n"
    assert shim.run('"$ONE_PIPELINE_PATH"/tools/get_repo_params "$1"', url).out.decode() == f"{params}\n"
    for tool, part in (("get_repo_name", name), ("get_repo_owner", owner)):
        assert (
            shim.run(f'{SOURCED.format(tool)} {tool} "$1"; "$ONE_PIPELINE_PATH/tools/{tool}" "$1"', url).out.decode()
            == f"{part}\n" * 2
        )


@pytest.mark.parametrize("url", ["", "app", "https://github.com", "https://github.com/app"])
def test_what_is_no_url_of_a_repository_is_a_status(shim: Shim, url: str) -> None:
    functions = "get_repo_params get_repo_name get_repo_owner get_repo_scm_type get_api_url get_repo_specific_token"
    script = SOURCED.format("get_repo_params") + f'for f in {functions}; do $f "$1" && echo not-refused; done; echo end'

    done = shim.run(script.replace("set -eu", "set -u"), url)

    assert done.out == b"end\n"
    assert b"this is no URL of a repository" in done.err


@pytest.mark.parametrize("key", ["git-token-app-org", "git-token"])
@pytest.mark.parametrize("secret", [False, True])
def test_the_token_of_a_repository_is_written_to_a_file(shim: Shim, key: str, secret: bool) -> None:  # noqa: FBT001 - a parameter of the test
    if secret:
        shim.call("set_secret", key, "t0ken")
    else:
        (shim.config / key).write_text("t0ken")
    url = "https://github.com/org/app"

    done = shim.run(
        SOURCED.format("get_repo_params") + f"get_repo_params {url} ./tok; cat tok; get_repo_specific_token {url}"
    )

    assert (done.status, done.err) == (0, b"")
    assert done.out == b"app org github https://api.github.com\nt0kent0ken\n"
    assert (shim.work / "tok").stat().st_mode & 0o777 == 0o600


def test_without_a_token_the_file_is_empty(shim: Shim) -> None:
    done = shim.run(SOURCED.format("get_repo_params") + "get_repo_params https://github.com/org/app tok")

    assert (done.status, done.out) == (0, b"app org github https://api.github.com\n")
    assert b"there is no property git-token-app-org or git-token" in done.err
    assert (shim.work / "tok").read_bytes() == b""


@pytest.mark.parametrize(
    ("server", "kind"),
    [
        ("github.com", "githubconsolidated"),
        ("git.example.com", "githubconsolidated"),
        ("github.ibm.com", "github_integrated"),
        ("eu-de.git.cloud.ibm.com", "hostedgit"),
        ("gitlab.example.com", "gitlab"),
    ],
)
def test_the_absolute_kind_of_a_server(shim: Shim, server: str, kind: str) -> None:
    script = SOURCED.format("get_repo_params") + f"get_absolute_scm_type https://{server}/org/app.git"

    assert shim.run(script).out.decode() == f"{kind}\n"


def test_sourcing_a_command_finds_it_without_a_path(shim: Shim) -> None:
    script = (
        'PATH=/usr/bin:/bin; . "$ONE_PIPELINE_PATH/tools/trigger-task"; . "$ONE_PIPELINE_PATH/tools/collect-evidence"; '
    )

    assert shim.run(script + "command -v trigger-task; command -v collect-evidence").out.count(b"\n") == 2
    assert shim.run('"$ONE_PIPELINE_PATH/tools/collect-evidence" --status success').out == b"success\n"


def test_evidence_is_recorded_and_its_status_printed(shim: Shim) -> None:
    (shim.work / "r").touch()
    done = shim.call(
        *(
            "collect-evidence",
            "--tool-type",
            "no-such-tool",
            "--evidence-type",
            "com.example.scan",
            "--asset-key",
            "app",
        ),
        *(
            "--asset-type",
            "repo",
            "--status",
            "pending",
            "--status",
            "failure",
            "--attachment",
            "r",
            "s",
            "--attachment",
            "t",
        ),
        *("--incident-repo", "--meta", "a=b", "--meta", 'c="é"\n', "--additional-comment", "it \\ works"),
    )

    assert (done.status, done.out, done.err) == (0, b"failure\n", b"")
    [(name, content)] = shim.store().items()
    assert name.startswith("n.")
    assert json.loads(content) == {
        "command": "collect-evidence",
        "status": "failure",
        "tool-type": ["no-such-tool"],
        "evidence-type": ["com.example.scan"],
        "asset-key": ["app"],
        "asset-type": ["repo"],
        "attachment": ["r", "s", "t"],
        "incident-repo": [],
        "meta": ["a=b", 'c="é"\n'],
        "additional-comment": ["it \\ works"],
    }


@pytest.mark.parametrize(
    ("arguments", "about"),
    [
        ("", "--status is missing"),
        ("--tool-type x", "--status is missing"),
        ("--status good", "--status is none of"),
        ("--status", "--status is missing"),
        ("--status --meta success", "--status is missing"),
        ("success", "'success' stands before any option"),
    ],
)
def test_evidence_without_a_status_is_refused(shim: Shim, arguments: str, about: str) -> None:
    done = shim.run(f"collect-evidence {arguments}")

    assert (done.status, done.out) == (2, b"")
    assert about.encode() in done.err
    assert shim.store() == {}


def test_evidence_explains_itself(shim: Shim) -> None:
    assert b"usage: collect-evidence --tool-type" in shim.call("collect-evidence", "--help").out


def test_a_status_of_a_commit_is_recorded_and_nothing_printed(shim: Shim) -> None:
    done = shim.call("set-commit-status", "--repository", "u", "--state", "error", "--description", "- done --")

    assert (done.status, done.out, done.err) == (0, b"", b"")
    [content] = shim.store().values()
    expected = {"command": "set-commit-status", "state": "error", "repository": ["u"], "description": ["- done --"]}
    assert json.loads(content) == expected
    assert shim.call("set-commit-status", "--state", "good").status == 2


def test_calls_of_evidence_leave_the_input_of_a_loop_alone(shim: Shim) -> None:
    loop = "while read -r x; do collect-evidence --status success; check-evidence-for-reuse --asset-key $x; done"

    assert shim.run(loop, stdin=b"a\nb\n").out == b"success\nfailure\n" * 2


def test_there_is_no_evidence_to_use_again(shim: Shim) -> None:
    done = shim.call("check-evidence-for-reuse", "--tool-type", "x")

    assert (done.status, done.out) == (1, b"failure\n")


def test_each_command_explains_itself(shim: Shim) -> None:
    commands = [*bundle.COMMANDS, "serialize", "deserialize", "version", "help", "pipelinectl"]
    done = shim.run('for c; do pipelinectl help "$c" || exit; done', *commands)

    assert (done.status, done.err) == (0, b"")
    assert done.out.count(b"Exit codes: ") == len(commands)
    for command in commands:
        assert f"usage: {command}".encode() in done.out


def test_the_version_is_that_of_the_layout(shim: Shim) -> None:
    assert b"layout 1" in shim.call("pipelinectl", "version").out
