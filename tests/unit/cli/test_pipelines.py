from pathlib import Path

import pytest

from runner.dispatch.requests import Definition, Facts
from runner.plan import codec
from tests.support.api_stand import answer, failure, pipeline
from tests.support.remote import Remote

URL = "https://example.org/shop.git"


def _accepts(remote: Remote, request: str) -> None:
    remote.stand.on(request, lambda handler: handler.send(204, "text/plain"))


def test_pipelines_are_a_table(remote: Remote) -> None:
    found = [
        pipeline("shop"),
        pipeline("team/web", file="ci.yml", queue="deploy", facts=Facts(branch="main")),
        pipeline("v1", facts=Facts(branch="main", tag="v1")),
    ]
    remote.stand.on("GET /pipelines", answer({"pipelines": [codec.encode(each) for each in found]}))

    assert remote.call("pipelines") == 0

    assert remote.out.splitlines() == [
        "PIPELINE  REPOSITORY                    FILE    BRANCH  QUEUE",
        f"shop      {URL}  -       -       default",
        f"team/web  {URL}  ci.yml  main    deploy",
        f"v1        {URL}  -       v1      default",
    ]


def test_json_has_all_that_is_known(remote: Remote) -> None:
    document = {"pipelines": [codec.encode(pipeline("shop"))]}
    remote.stand.on("GET /pipelines", answer(document))

    assert remote.call("pipelines", "--output", "json") == 0

    assert remote.document == document


def test_it_is_said_when_there_are_none(remote: Remote) -> None:
    remote.stand.on("GET /pipelines", answer({"pipelines": []}))

    assert remote.call("pipelines") == 0

    assert remote.out == "there are no pipelines\n"


def test_a_list_has_no_events(remote: Remote) -> None:
    assert remote.call("pipelines", "--output", "events") == 2


def test_a_pipeline_is_registered_with_its_facts(remote: Remote, tmp_path: Path) -> None:
    _accepts(remote, "PUT /pipelines/team/shop")
    (tmp_path / "env").write_text("B=2\nA=0\n")
    where = ("--repo-url", URL, "--file", "ci/p.yml", "--submodules", "--dialect", "vela", "--pipeline-type", "ci")
    facts = (
        "--event",
        "deploy",
        "--branch",
        "main",
        "--env",
        "A=1",
        "--env-file",
        str(tmp_path / "env"),
        "--param",
        "P=3",
    )

    assert remote.call("pipelines", "add", "team/shop", *where, *facts, "--queue", "deploy") == 0

    (body,) = remote.stand.bodies("PUT /pipelines/team/shop")
    assert codec.decode(Definition, body) == Definition(
        repository=URL,
        file="ci/p.yml",
        submodules=True,
        facts=Facts(event="deploy", branch="main", environment={"A": "1", "B": "2"}, parameters={"P": "3"}),
        dialect="vela",
        kind="ci",
        queue="deploy",
    )
    assert remote.out == "pipeline team/shop is registered: `runner submit team/shop` runs it\n"


def test_a_pipeline_needs_nothing_but_its_repository(remote: Remote) -> None:
    _accepts(remote, "PUT /pipelines/shop")

    assert remote.call("pipelines", "add", "shop", "--repo-url", URL) == 0

    (body,) = remote.stand.bodies("PUT /pipelines/shop")
    assert codec.decode(Definition, body) == Definition(repository=URL)


@pytest.mark.parametrize(
    "arguments", [("shop",), ("--repo-url", URL), ("shop", "--repo-url", URL, "--pipeline-type", "x")]
)
def test_what_cannot_be_registered_is_bad_usage(remote: Remote, arguments: tuple[str, ...]) -> None:
    assert remote.call("pipelines", "add", *arguments) == 2

    assert remote.stand.asked == []


def test_what_the_daemon_does_not_take_is_told(remote: Remote) -> None:
    remote.stand.on("PUT /pipelines/-x", failure(400, "a pipeline cannot have this name"))

    assert remote.call("pipelines", "add", "--repo-url", URL, "--", "-x") == 2

    assert remote.err == "runner: a pipeline cannot have this name\n"


def test_a_pipeline_is_shown_with_the_names_of_its_secrets(remote: Remote) -> None:
    remote.stand.on("GET /pipelines/shop", answer(codec.encode(pipeline("shop"))))

    assert remote.call("pipelines", "show", "shop") == 0

    assert remote.document == codec.encode(pipeline("shop"))


def test_a_pipeline_is_removed(remote: Remote) -> None:
    _accepts(remote, "DELETE /pipelines/team/shop")

    assert remote.call("pipelines", "remove", "team/shop") == 0

    assert remote.out == "pipeline team/shop is removed\n"


def test_a_pipeline_that_is_not_there_is_bad_usage(remote: Remote) -> None:
    remote.stand.on("DELETE /pipelines/nix", failure(404, "there is no pipeline 'nix'"))

    assert remote.call("pipelines", "remove", "nix") == 2

    assert remote.err == "runner: there is no pipeline 'nix'\n"


def test_a_command_that_it_does_not_have_is_bad_usage(remote: Remote) -> None:
    assert remote.call("pipelines", "ad") == 2

    assert "No such command 'ad'" in remote.err
