"""From a submission to a stored run; nothing is driven here."""

from pathlib import Path
from typing import Any

import pytest

from runner.dispatch import requests
from runner.dispatch.orders import StoredOrder, Tree
from runner.dispatch.requests import Definition, Facts, Inline, Submission, Submitted
from runner.errors import (
    BusyError,
    ConflictError,
    InvalidPipelineError,
    NotFoundError,
    UsageError,
    WorkspaceError,
)
from runner.plan.adjust import Choice
from runner.plan.model import Facts as PlanFacts
from runner.plan.model import SecretUse
from runner.plan.trigger import Trigger
from runner.workspace.git.spec import SourceSpec
from tests.support.daemons import Daemon, Grounds, commit, text_of
from tests.support.plans import plan, stage, step, steps_only
from tests.support.repositories import Repository

ONE = steps_only(step("a", text="hello"))
TOKEN = SecretUse(source="deploy_token", target="TOKEN")
WITH_SECRET = steps_only(step("a", secrets=(TOKEN,)))


def _order(daemon: Daemon, run: str) -> StoredOrder:
    return daemon.house.means.order(run)


def _submit(daemon: Daemon, **more: Any) -> Submitted:  # noqa: ANN401 - the fields of `Submission`, which checks them
    return daemon.service.submit(Submission(**more), local=False)


def _stored(daemon: Daemon, **more: Any) -> StoredOrder:  # noqa: ANN401 - as above
    return _order(daemon, _submit(daemon, **more).id)


@pytest.fixture
def shop(idle: Daemon, repository: Repository) -> str:
    """The name of a pipeline in a repository."""
    commit(repository, ONE)
    idle.service.register("org/shop", Definition(repository=str(repository.root)))
    return "org/shop"


def _inline(of: str = "", **more: Any) -> Inline:  # noqa: ANN401 - the fields of `Inline`, which checks them
    return Inline(text=of or text_of(ONE), **more)


def test_a_registered_pipeline_runs_at_the_newest_commit_of_its_repository(
    idle: Daemon, shop: str, repository: Repository
) -> None:
    newest = repository.commit("file", message="newest")

    submitted = _submit(idle, pipeline=shop)

    order, summary = _order(idle, submitted.id), idle.service.summary(submitted.id)
    assert (summary.pipeline, summary.status, summary.number, summary.origin) == (shop, "pending", 1, "")
    assert order.tree == Tree(repository=SourceSpec(url=str(repository.root), commit=newest, ref="refs/heads/main"))
    assert (order.inputs.trigger.commit.sha, order.inputs.trigger.commit.message) == (newest, "newest")
    assert (order.plan.facts.event, order.plan.facts.branch, order.plan.facts.path) == ("push", "main", ("file",))
    assert submitted.subject.startswith(f".vela.yml: event push, branch main, {newest[:8]} 'newest'")
    assert [each.name for each in order.plan.stages] == ["s"]


def test_a_pipeline_without_a_file_is_the_first_that_has_a_usual_name(idle: Daemon, repository: Repository) -> None:
    commit(repository, steps_only(step("usual")), "pipeline.yml")
    commit(repository, steps_only(step("first")), ".vela.yaml")
    commit(repository, steps_only(step("named")), "ci/build.yml")
    idle.service.register("usual", Definition(repository=str(repository.root)))
    idle.service.register("named", Definition(repository=str(repository.root), file="ci/build.yml"))

    found = {name: _stored(idle, pipeline=name) for name in ("usual", "named")}

    assert [found[name].plan.stages[0].steps[0].name for name in ("usual", "named")] == ["first", "named"]
    assert [found[name].inputs.file for name in ("usual", "named")] == [".vela.yaml", "ci/build.yml"]


@pytest.mark.parametrize("file", ["missing.yml", "../outside.yml", "/etc/hostname"])
def test_a_file_that_the_repository_does_not_have_is_named_without_a_path_of_this_machine(
    idle: Daemon, repository: Repository, grounds: Grounds, file: str
) -> None:
    commit(repository, ONE)
    idle.service.register("shop", Definition(repository=str(repository.root), file=file))

    with pytest.raises(UsageError, match=file) as caught:
        _submit(idle, pipeline="shop")
    assert str(grounds.data) not in caught.value.explained


def test_a_repository_without_a_pipeline_says_so_without_a_path_of_this_machine(
    idle: Daemon, repository: Repository, grounds: Grounds
) -> None:
    repository.commit("README")
    idle.service.register("shop", Definition(repository=str(repository.root)))

    with pytest.raises(UsageError, match=r"no pipeline.*\.vela\.yml") as caught:
        _submit(idle, pipeline="shop")
    assert str(grounds.data) not in caught.value.explained


def test_the_findings_of_an_invalid_pipeline_have_its_path_in_the_repository(
    idle: Daemon, repository: Repository
) -> None:
    commit(repository, "version: '1'\nsteps:\n  - name: a\n", "ci/build.yml")
    idle.service.register("shop", Definition(repository=str(repository.root), file="ci/build.yml"))

    with pytest.raises(InvalidPipelineError) as caught:
        _submit(idle, pipeline="shop")

    assert {finding.place.file for finding in caught.value.findings} == {"ci/build.yml"}
    assert idle.service.runs() == []


@pytest.mark.parametrize(
    ("facts", "branch", "ref"),
    [
        pytest.param(Facts(branch="side"), "side", "refs/heads/side", id="branch"),
        pytest.param(Facts(tag="v1"), "", "refs/tags/v1", id="tag"),
        pytest.param(Facts(tag="refs/tags/v1"), "", "refs/tags/v1", id="whole name of a tag"),
        pytest.param(Facts(commit="first"), "", "", id="commit"),
        pytest.param(Facts(commit="first", branch="side"), "side", "refs/heads/side", id="commit of a branch"),
    ],
)
def test_branch_tag_and_commit_choose_what_is_run(
    idle: Daemon, repository: Repository, facts: Facts, branch: str, ref: str
) -> None:
    first = commit(repository, ONE)
    repository.git("tag", "v1")
    repository.git("branch", "side")
    commit(repository, steps_only(step("newest")))
    idle.service.register("shop", Definition(repository=str(repository.root), facts=Facts(branch="main")))
    if facts.commit:
        facts = Facts(commit=first, branch=facts.branch)

    order = _stored(idle, pipeline="shop", facts=facts)

    assert order.tree.repository is not None
    assert order.tree.repository.commit == order.inputs.trigger.commit.sha == first
    assert order.plan.stages[0].steps[0].name == "a"
    assert (order.plan.facts.branch, order.tree.repository.ref) == (branch, ref)


@pytest.mark.parametrize("default", [Facts(tag="v1"), Facts(commit="first")])
def test_a_branch_that_is_told_takes_the_place_of_the_tag_or_commit_of_the_pipeline(
    idle: Daemon, repository: Repository, default: Facts
) -> None:
    first = commit(repository, ONE)
    repository.git("tag", "v1")
    newest = commit(repository, steps_only(step("newest")))
    default = Facts(commit=first) if default.commit else default
    idle.service.register("shop", Definition(repository=str(repository.root), facts=default))

    pinned, told = _stored(idle, pipeline="shop"), _stored(idle, pipeline="shop", facts=Facts(branch="main"))

    assert [pinned.inputs.trigger.commit.sha, told.inputs.trigger.commit.sha] == [first, newest]
    assert told.tree.repository is not None
    assert told.tree.repository.ref == "refs/heads/main"


def test_facts_of_the_pipeline_count_where_nobody_says_otherwise(idle: Daemon, repository: Repository) -> None:
    commit(repository, ONE)
    defaults = Facts(
        event="deployment", target="stage", sender="cron", parameters={"a": "1", "b": "1"}, environment={"E": "1"}
    )
    idle.service.register("shop", Definition(repository=str(repository.root), facts=defaults))

    told = Facts(target="prod", parameters={"b": "2"}, changed=("x",))
    order = _stored(idle, pipeline="shop", facts=told)

    facts, trigger = order.plan.facts, order.inputs.trigger
    assert (facts.event, facts.target, facts.sender, facts.path) == ("deployment:created", "prod", "cron", ("x",))
    assert (trigger.parameters, trigger.environment) == ({"a": "1", "b": "2"}, {"E": "1"})


def test_a_run_is_of_the_queue_of_its_pipeline_unless_another_one_is_named(
    idle: Daemon, repository: Repository
) -> None:
    commit(repository, ONE)
    idle.service.register("shop", Definition(repository=str(repository.root), queue="deploy"))

    runs = [_submit(idle, pipeline="shop").id, _submit(idle, pipeline="shop", queue="default").id]

    assert [idle.service.summary(run).queue for run in runs] == ["deploy", "default"]
    assert idle.service.summary(_submit(idle, inline=_inline()).id).queue == "default"


def test_a_queue_that_is_not_there_is_refused_and_those_that_are_there_are_named(idle: Daemon, shop: str) -> None:
    for ask in (
        lambda: _submit(idle, inline=_inline(), queue="fast"),
        lambda: idle.service.register("other", Definition(repository="/shop", queue="fast")),
    ):
        with pytest.raises(UsageError, match="no queue 'fast'") as caught:
            ask()
        assert caught.value.hint == "RUNNER_QUEUES has default, deploy"


def test_properties_of_the_submission_count_over_those_of_the_pipeline(idle: Daemon, shop: str) -> None:
    idle.service.set_property(shop, "a", "1")
    idle.service.set_property(shop, "b", "1")

    order = _stored(idle, pipeline=shop, properties={"b": "2", "c": "2"})

    assert order.inputs.properties == {"a": "1", "b": "2", "c": "2"}


def test_secrets_of_the_submission_count_over_those_of_the_pipeline(idle: Daemon, repository: Repository) -> None:
    commit(repository, WITH_SECRET)
    idle.service.register("shop", Definition(repository=str(repository.root)))
    idle.service.set_secret("shop", "deploy_token", "stored")
    idle.service.set_secret("shop", "other", "stored")

    stored = _stored(idle, pipeline="shop")
    told = _stored(idle, pipeline="shop", secrets={"deploy_token": "told"})

    assert (stored.secrets, stored.inputs.secure) == (
        {"deploy_token": "stored", "other": "stored"}, {"other": "stored"}
    )  # fmt: skip
    assert told.secrets == {"deploy_token": "told", "other": "stored"}


def test_a_secret_in_capitals_is_that_which_a_step_asks_for(idle: Daemon, repository: Repository) -> None:
    order = _stored(idle, inline=_inline(text_of(WITH_SECRET)), secrets={"DEPLOY_TOKEN": "1111"})

    assert (order.secrets, order.inputs.secure) == ({"deploy_token": "1111"}, {})

    commit(repository, WITH_SECRET)
    idle.service.register("shop", Definition(repository=str(repository.root)))
    idle.service.set_secret("shop", "deploy_token", "stored")
    assert _stored(idle, pipeline="shop", secrets={"DEPLOY_TOKEN": "told"}).secrets == {"deploy_token": "told"}


def test_all_secrets_that_are_missing_are_named_and_nothing_is_stored(idle: Daemon) -> None:
    uses = [SecretUse(source=name, target="T") for name in ("one", "two", "three")]
    text = text_of(steps_only(step("a", secrets=tuple(uses))))

    with pytest.raises(UsageError, match=r"no value for the secrets one, three$") as caught:
        _submit(idle, inline=_inline(text), secrets={"two": "2222"})

    assert "set one" in caught.value.hint
    assert idle.service.runs() == []


@pytest.mark.parametrize("given", ["properties", "secrets"])
def test_a_property_or_secret_whose_name_no_file_can_have_is_refused(idle: Daemon, given: str) -> None:
    for name in ("a/b/c", "/b", "a/", "", ".."):
        with pytest.raises(UsageError, match="no file below"):
            _submit(idle, inline=_inline(), **{given: {name: "1111"}})


def test_secrets_are_sealed_in_the_store(idle: Daemon, grounds: Grounds) -> None:
    run = _submit(idle, inline=_inline(), secrets={"TOKEN": "hunter2 is the word"}).id

    assert _order(idle, run).confidential == {"TOKEN": "hunter2 is the word"}
    assert "hunter2" not in repr(idle.house.means.runs.order_of(run))
    assert not [path for path in grounds.data.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]


def test_a_pipeline_of_which_nothing_is_left_is_no_run_and_says_why(idle: Daemon) -> None:
    text = """
        version: "1"
        steps:
          - name: a
            image: busybox
            ruleset: {branch: release}
            commands: [make]
    """

    submitted = _submit(idle, inline=_inline(text, trigger=Trigger(facts=PlanFacts(event="push", branch="main"))))

    assert submitted.id == ""
    assert submitted.notes[-1] == "nothing to run"
    assert any("a: " in note and "release" in note for note in submitted.notes)
    assert idle.service.runs() == []


def test_nothing_to_run_asks_for_no_secret_and_no_queue(idle: Daemon) -> None:
    text = text_of(WITH_SECRET).replace('"image"', '"ruleset": {"branch": "no"}, "image"')

    assert _submit(idle, inline=_inline(text), queue="fast").id == ""


def test_an_inline_pipeline_is_named_by_its_file_in_messages(idle: Daemon) -> None:
    with pytest.raises(InvalidPipelineError) as caught:
        _submit(idle, inline=_inline("version: '1'\nsteps: 3\n", file="here.yml"))

    assert {finding.place.file for finding in caught.value.findings} == {"here.yml"}


def test_an_inline_pipeline_works_on_nothing_unless_told(idle: Daemon) -> None:
    assert _stored(idle, inline=_inline()).tree == Tree()


def test_an_inline_pipeline_works_on_a_directory_if_the_client_is_on_this_machine(idle: Daemon, tmp_path: Path) -> None:
    submission = Submission(inline=_inline(directory=str(tmp_path)))

    run = idle.service.submit(submission, local=True).id

    assert _order(idle, run).tree == Tree(directory=str(tmp_path))
    with pytest.raises(UsageError, match="cannot be named from elsewhere"):
        idle.service.submit(submission, local=False)


@pytest.mark.parametrize("directory", ["relative", "/no/such/directory", "/etc/hostname"])
def test_a_directory_that_is_none_is_refused(idle: Daemon, directory: str) -> None:
    with pytest.raises(UsageError, match=f"{directory}.*directory"):
        idle.service.submit(Submission(inline=_inline(directory=directory)), local=True)


def test_an_inline_pipeline_works_on_a_repository_at_the_commit_that_was_found(
    idle: Daemon, repository: Repository
) -> None:
    sha = repository.commit("file")
    url = str(repository.root)

    order = _stored(idle, inline=_inline(repository=requests.Repository(url=url, ref="main")))

    assert order.tree == Tree(repository=SourceSpec(url=url, commit=sha, ref="refs/heads/main"))


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        pytest.param("ext::sh -c id", UsageError, "ext::", id="no address"),
        pytest.param("https://example.org/r", UsageError, "https is not allowed", id="protocol"),
        pytest.param("/nowhere/shop", WorkspaceError, "/nowhere/shop", id="not there"),
    ],
)
def test_a_repository_that_cannot_be_had_is_told_at_once(
    idle: Daemon, url: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        _submit(idle, inline=_inline(repository=requests.Repository(url=url)))

    assert idle.service.runs() == []


def test_a_submission_is_of_one_pipeline_registered_or_inline(idle: Daemon, shop: str) -> None:
    for more in ({}, {"pipeline": shop, "inline": _inline()}):
        with pytest.raises(UsageError, match="either a pipeline or an inline one"):
            _submit(idle, **more)

    with pytest.raises(NotFoundError, match="no pipeline 'other'"):
        _submit(idle, pipeline="other")


def test_what_is_wanted_of_the_plan_is_what_is_stored(idle: Daemon) -> None:
    text = text_of(plan(stage("a", step("x")), stage("b", step("x"), needs=("a",))))

    order = _stored(idle, inline=_inline(text), choice=Choice(stages=("b",)), max_parallel=3, kind="cd")

    assert ([each.name for each in order.plan.stages], order.max_parallel, order.inputs.kind) == (["b"], 3, "cd")


def test_dialect_and_kind_of_the_pipeline_count_unless_the_submission_names_others(
    idle: Daemon, repository: Repository
) -> None:
    commit(repository, ONE)
    idle.service.register("shop", Definition(repository=str(repository.root), kind="cc", dialect="vela"))

    assert [_stored(idle, pipeline="shop", kind=kind).inputs.kind for kind in ("", "pr")] == ["cc", "pr"]
    with pytest.raises(UsageError, match="dialect"):
        _submit(idle, pipeline="shop", dialect="cobol")


def test_more_runs_than_may_wait_are_refused_until_there_is_room(grounds: Grounds) -> None:
    grounds.set(waiting=2)
    with grounds.living() as daemon:
        first, second = daemon.submit(ONE), daemon.submit(ONE)

        for ask in (lambda: daemon.submit(ONE), lambda: daemon.service.rerun(first, requests.Again())):
            with pytest.raises(BusyError, match="2 runs wait already") as caught:
                ask()
            assert "RUNNER_WAITING" in caught.value.hint

        daemon.serve()
        for run in (first, second):
            daemon.ended(run)
        assert daemon.submit(ONE)


def test_what_the_operator_has_not_granted_is_refused(idle: Daemon) -> None:
    text = text_of(ONE).replace('"image"', '"privileged": true, "image"')

    with pytest.raises(UsageError, match="step s/a wants to be privileged") as caught:
        _submit(idle, inline=_inline(text))
    assert "RUNNER_PRIVILEGED_IMAGES" in caught.value.hint


def test_a_run_that_waits_cannot_be_repeated(idle: Daemon) -> None:
    run = idle.submit(ONE)

    for again in (requests.Again(), requests.Again(failed=True), requests.Again(from_stage="s")):
        with pytest.raises(ConflictError, match="has not ended"):
            idle.service.rerun(run, again)
