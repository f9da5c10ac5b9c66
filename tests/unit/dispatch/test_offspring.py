"""The order of an async stage: what it has of its parent, what it is handed, and on which trees it works."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from runner.dispatch.offspring import HOOK, completed, declared, offspring
from runner.dispatch.orders import Clone, Place, StoredOrder, Tree
from runner.engine.inputs import Inputs
from runner.errors import NotFoundError
from runner.naming import ORIGINS, Address
from runner.pipelinectl.payload import Configuration, Payload, read_payload
from runner.pipelinectl.saved import Saved
from runner.plan.model import Facts, Plan, Pruned, SecretUse, Stage
from runner.plan.trigger import Commit, Repository, Trigger
from runner.workspace.git.spec import SourceSpec
from tests.support.children import apart
from tests.support.plans import plan, service, stage, step
from tests.support.repositories import Repository as GitRepository

URL = "https://git.example.test/acme/shop.git"
LIB = "https://git.example.test/acme/lib.git"
FIRST, SECOND = "1" * 40, "2" * 40
OWN = SourceSpec(url=URL, commit=FIRST, ref="refs/heads/main")
TRIGGER = Trigger(
    facts=Facts(event="push", branch="main", sender="ada"),
    commit=Commit(sha=FIRST),
    repository=Repository(name="acme/shop", clone=URL),
    parameters={"release": "7"},
    environment={"X": "1"},
)
PLAN = plan(
    stage("build", step("a")),
    async_stages=(apart("scan"), apart("check")),
    home="/workspace/app",
    workdir="/workspace/app/shop",
)


def _order(of: Plan = PLAN, tree: Tree | None = None, **inputs: object) -> StoredOrder:
    """Return the order of a run of a pipeline in a repository."""
    return StoredOrder(
        plan=of,
        tree=tree or Tree(repository=OWN),
        inputs=Inputs(trigger=TRIGGER, **inputs),  # type: ignore[arg-type]  # fields of `Inputs`
    )


def _tree(order: StoredOrder, **repositories: dict[str, str]) -> Tree:
    """Return what an async stage works on for whom repositories were registered."""
    found = offspring(order, Payload(stage="scan", repositories=repositories))
    assert found.plan.stages[-1].fault == ""
    return found.tree


def _fault(order: StoredOrder, **repositories: dict[str, str]) -> str:
    """Return why an async stage fails for whom repositories were registered."""
    found = offspring(order, Payload(stage="scan", repositories=repositories))
    assert found.tree == Tree()
    return found.plan.stages[-1].fault


def _beside(path: str, url: str, commit: str = "", ref: str = "") -> Clone:
    return Clone(target=f"/workspace/app/{path}", source=SourceSpec(url=url, commit=commit, ref=ref))


# The plan.


def test_a_child_is_one_stage_of_the_same_pipeline_and_no_async_one_any_more() -> None:
    found = offspring(_order(), Payload(stage="scan")).plan

    assert [(each.name, each.async_, each.needs) for each in found.stages] == [("scan", False, ())]
    assert (found.home, found.workdir, found.dialect) == (PLAN.home, PLAN.workdir, PLAN.dialect)


def test_a_child_may_start_async_stages_itself() -> None:
    assert offspring(_order(), Payload(stage="scan")).plan.async_stages == PLAN.async_stages


def test_services_stay_and_so_does_what_fetches_secrets_which_the_stage_then_needs() -> None:
    of = replace(
        PLAN,
        stages=(stage(ORIGINS, step("vault")), stage("build", step("a"), needs=(ORIGINS,))),
        services=(service("db"),),
    )

    found = offspring(_order(of), Payload(stage="scan")).plan

    assert [(each.name, each.needs) for each in found.stages] == [(ORIGINS, ()), ("scan", (ORIGINS,))]
    assert found.services == of.services


def test_what_a_stage_would_wait_for_and_what_is_said_of_others_goes() -> None:
    of = replace(
        PLAN,
        async_stages=(replace(apart("scan"), needs=("build",)),),
        pruned=(Pruned(stage="old", step="", why="no step is left"),),
        warnings=("f:1: warning",),
        undefined=(stage("release", fault="it is not defined"),),
    )

    found = offspring(_order(of), Payload(stage="scan")).plan

    assert (found.stages[-1].needs, found.pruned, found.warnings, found.undefined) == ((), (), (), ())


def test_a_stage_with_a_fault_of_its_own_keeps_it() -> None:
    of = replace(PLAN, async_stages=(replace(apart("scan"), fault="dind is not allowed"),))

    assert offspring(_order(of), Payload(stage="scan")).plan.stages[-1].fault == "dind is not allowed"


@pytest.mark.parametrize("name", ["build", "none", ""])
def test_a_stage_that_is_no_async_one_is_not_there_and_those_that_are_are_named(name: str) -> None:
    with pytest.raises(NotFoundError, match="there is no async stage") as caught:
        offspring(_order(), Payload(stage=name))

    assert caught.value.hint == "there are scan, check"


def test_of_those_that_nobody_can_start_none_is_named() -> None:
    of = replace(PLAN, async_stages=(Stage(name="No Name", steps=(), async_=True),))

    with pytest.raises(NotFoundError) as caught:
        declared(of, "No Name")
    assert caught.value.hint == ""


# What it is given.


def test_properties_and_secrets_travel_and_parameters_do_not() -> None:
    using = step("a", secrets=(SecretUse(source="TOKEN", target="T"),))
    order = replace(
        _order(replace(PLAN, stages=(stage("build", using),)), properties={"region": "eu"}, secure={"key": "k3y"}),
        secrets={"TOKEN": "hunter2"},
    )

    found = offspring(order, Payload(stage="scan"))

    assert found.inputs.properties == {"region": "eu"}
    assert (found.inputs.secure, found.secrets) == ({"key": "k3y"}, {"TOKEN": "hunter2"})
    assert found.inputs.trigger == replace(TRIGGER, parameters={})


def test_the_parameters_of_the_hook_are_those_of_the_child() -> None:
    found = offspring(_order(), Payload(stage="scan"), {"who": "hook"})

    assert found.inputs.trigger.parameters == {"who": "hook"}


def test_it_is_a_hook_that_has_started_it_with_what_was_handed_over_as_its_payload() -> None:
    payload = Payload(stage="scan", values={"name": "caf\udcff"}, parent="1a2b3c4d")

    found = offspring(_order(payload=b'{"of": "the parent"}', kind="ci", file="ci.yml"), payload)

    assert (found.inputs.hook, HOOK) == (HOOK, "Subpipeline Webhook Trigger")
    assert read_payload(found.inputs.payload) == payload
    assert (found.inputs.kind, found.inputs.file) == ("ci", "ci.yml")


def test_nothing_is_left_of_a_parent_that_was_a_rerun() -> None:
    order = replace(_order(), inherited={"build": Address("older", "build")}, restored=True)

    found = offspring(order, Payload(stage="scan"))

    assert (found.inherited, found.restored, found.handed) == ({}, False, True)


def test_it_begins_with_what_it_was_handed() -> None:
    payload = Payload(
        stage="scan",
        values={"url": "https://x"},
        repositories={"lib": {"url": LIB}},
        artifacts={"img": {"digest": "d"}},
    )

    order = StoredOrder.read(offspring(_order(), payload).document(), _order().hidden()).order(Place(), Saved())

    assert order.restored.values == {
        "e.url": b"https://x\n",
        "r.lib": b"",
        "r.lib,url": f"{LIB}\n".encode(),
        "a.img": b"",
        "a.img,digest": b"d\n",
    }
    assert order.job("0badcafe").spec.values["e.url"] == b"https://x\n"


def test_what_is_handed_over_may_be_larger_than_what_is_taken_from_others() -> None:
    """A request near to the limit grows by what the run adds to it."""
    payload = Payload(stage="scan", values={str(number): "\udcff" * (1 << 20) for number in range(3)})

    found = offspring(_order(), payload)

    assert len(found.order(Place(), Saved()).restored.values) == 3


def test_a_run_that_nobody_handed_anything_begins_with_nothing() -> None:
    order = replace(_order(payload=b'{"pushed": "by a server"}'), handed=False)

    assert order.order(Place(), Saved()).restored.values == {}


def test_a_run_says_which_pipeline_it_is_of_to_whom_it_hands_something_over() -> None:
    order = _order(properties={"pipeline-debug": "1"}, kind="ci", file=".pipeline-config.yaml")

    found = completed(Payload(stage="scan", values={"a": "1"}), order, "1a2b3c4d")

    assert found == Payload(
        stage="scan",
        values={"a": "1"},
        debug=True,
        name="acme/shop",
        kind="ci",
        configuration=Configuration(url=URL, commit=FIRST, path=".pipeline-config.yaml"),
        parent="1a2b3c4d",
    )


@pytest.mark.parametrize("properties", [{}, {"pipeline-debug": "0"}, {"pipeline-debug": "true"}])
def test_debug_is_handed_over_only_where_it_is_on(properties: dict[str, str]) -> None:
    assert not completed(Payload(stage="scan"), _order(properties=properties), "1a2b3c4d").debug


def test_a_parameter_of_the_trigger_is_handed_over_only_if_it_was_marked_and_not_set() -> None:
    handed = Payload(stage="scan", values={"set": "by a step"}, marked=("release", "set", "unknown"))

    found = completed(handed, _order(), "1a2b3c4d")

    assert (found.values, found.marked) == ({"set": "by a step", "release": "7"}, ())
    assert completed(Payload(stage="scan"), _order(), "1a2b3c4d").values == {}


def test_what_somebody_else_says_of_the_pipeline_is_not_believed() -> None:
    forged = Payload(stage="scan", name="other", kind="cd", parent="feedbeef", debug=True)

    found = completed(forged, _order(), "1a2b3c4d")

    assert (found.name, found.kind, found.parent, found.debug) == ("acme/shop", "", "1a2b3c4d", False)


# The trees.


def test_a_child_works_on_the_commit_of_its_parent() -> None:
    assert _tree(_order()) == Tree(repository=OWN)


@pytest.mark.parametrize(
    "registered",
    [
        {"path": "shop"},
        {"path": "./shop/"},
        {"path": "shop", "commit": FIRST},
        {"url": URL},
        {"url": URL, "commit": FIRST, "branch": "main"},
        {"url": URL, "path": "shop"},
    ],
)
def test_its_own_repository_is_known_by_its_path_or_its_address(registered: dict[str, str]) -> None:
    assert _tree(_order(), app=registered) == Tree(repository=OWN)


def test_its_own_repository_registered_at_another_commit_is_had_at_that() -> None:
    assert _tree(_order(), app={"path": "shop", "commit": SECOND}) == Tree(repository=replace(OWN, commit=SECOND))


def test_its_own_repository_in_another_place_is_there_twice() -> None:
    found = _tree(_order(), app={"url": URL, "path": "copy", "commit": SECOND})

    assert found == Tree(
        repository=OWN, beside=(Clone(target="/workspace/app/copy", source=replace(OWN, commit=SECOND)),)
    )


def test_another_repository_in_the_place_of_the_own_one_takes_it() -> None:
    assert _tree(_order(), fork={"url": LIB, "path": "shop", "commit": SECOND}) == Tree(
        repository=SourceSpec(url=LIB, commit=SECOND)
    )


def test_another_repository_lies_beside_at_its_commit_or_the_head_of_its_branch() -> None:
    found = _tree(_order(), lib={"url": LIB, "commit": SECOND, "branch": "main"}, next={"url": LIB, "path": "deep/er"})

    assert found == Tree(repository=OWN, beside=(_beside("lib", LIB, SECOND, "main"), _beside("deep/er", LIB)))


@pytest.mark.parametrize(
    ("registered", "place"),
    [
        ({"url": LIB, "path": "x"}, "x"),
        ({"url": LIB}, "lib"),
        ({"url": f"{LIB.removesuffix('.git')}/"}, "lib"),
        ({"url": "git@git.example.test:lib"}, "git@git.example.test:lib"),
        ({"url": LIB, "path": "/workspace/app/x"}, "x"),
    ],
)
def test_a_repository_lies_at_its_path_else_at_its_name(registered: dict[str, str], place: str) -> None:
    assert [clone.target for clone in _tree(_order(), key=registered).beside] == [f"/workspace/app/{place}"]


@pytest.mark.parametrize("path", ["..", "../x", "/etc", "a/../../x", "/workspace/application"])
def test_a_path_that_leads_out_of_the_workspace_is_the_fault_of_the_stage(path: str) -> None:
    fault = _fault(_order(), lib={"url": LIB, "path": path})

    assert fault == f"repository 'lib': its path {path!r} leads out of the workspace /workspace/app"


@pytest.mark.parametrize("path", ["a\0b", "a/" + "ä" * 128, "\ud800" * 86])
def test_a_path_that_no_directory_can_have_is_the_fault_of_the_stage(path: str) -> None:
    fault = _fault(_order(), lib={"url": LIB, "path": path})

    assert fault.startswith("repository 'lib': no directory can have its path ")


def test_two_repositories_at_one_place_are_the_fault_of_the_stage() -> None:
    fault = _fault(_order(), one={"url": LIB, "path": "x"}, two={"url": LIB, "path": "./x", "commit": SECOND})

    assert fault == "two repositories are registered at /workspace/app/x, one of them as 'two'"


def test_one_that_is_registered_twice_is_there_once() -> None:
    found = _tree(_order(), one={"url": LIB, "path": "x"}, two={"url": LIB, "path": "x"})

    assert found.beside == (_beside("x", LIB),)


def test_a_commit_that_is_none_is_the_fault_of_the_stage() -> None:
    assert _fault(_order(), lib={"url": LIB, "commit": "main"}).startswith("'main': not a commit")
    assert _fault(_order(), lib={"url": LIB, "branch": "--upload-pack=x"}).startswith("'--upload-pack=x': not a branch")


def test_what_no_address_is_known_of_cannot_be_had_and_is_left_out() -> None:
    assert _tree(_order(), lib={"path": "lib", "commit": SECOND}, bare={}) == Tree(repository=OWN)


def test_an_address_that_is_a_path_of_this_machine_is_never_the_directory_of_a_run() -> None:
    found = _tree(_order(), lib={"url": "/srv/git/lib"})

    assert found.beside == (_beside("lib", "file:///srv/git/lib"),)


# A run that works on a directory.


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    return GitRepository(tmp_path / "shop")


@pytest.fixture
def checkout(repository: GitRepository) -> Callable[..., StoredOrder]:
    """Return what makes the order of a run that works on the directory of a repository."""

    def make(commit: str, of: Plan = PLAN) -> StoredOrder:
        trigger = replace(TRIGGER, commit=Commit(sha=commit))
        return StoredOrder(plan=of, tree=Tree(directory=str(repository.root)), inputs=Inputs(trigger=trigger))

    return make


def test_a_child_of_a_run_on_a_directory_works_on_its_commit_and_not_on_what_was_changed_there(
    repository: GitRepository, checkout: Callable[..., StoredOrder]
) -> None:
    commit = repository.commit("file")
    repository.write("file", "changed since")

    assert _tree(checkout(commit)) == Tree(repository=SourceSpec(url=str(repository.root), commit=commit))


def test_without_a_commit_it_works_on_the_directory_as_it_is(
    checkout: Callable[..., StoredOrder], tmp_path: Path
) -> None:
    assert _tree(checkout("")) == Tree(directory=str(tmp_path / "shop"))


def test_a_directory_that_is_none_of_git_stays_what_it_works_on(tmp_path: Path) -> None:
    order = StoredOrder(plan=PLAN, tree=Tree(directory=str(tmp_path)), inputs=Inputs(trigger=TRIGGER))

    assert _tree(order) == Tree(directory=str(tmp_path))


def test_a_commit_that_the_directory_does_not_have_is_looked_for_at_its_address(
    repository: GitRepository, checkout: Callable[..., StoredOrder]
) -> None:
    commit = repository.commit("file")

    found = _tree(checkout(commit), app={"url": URL, "commit": SECOND, "path": "shop"})

    assert found == Tree(repository=SourceSpec(url=URL, commit=SECOND))


def test_an_older_commit_that_the_directory_has_is_taken_from_there(
    repository: GitRepository, checkout: Callable[..., StoredOrder]
) -> None:
    older, newer = repository.commit("one"), repository.commit("two")

    found = _tree(checkout(newer), app={"url": URL, "commit": older})

    assert found == Tree(repository=SourceSpec(url=str(repository.root), commit=older))


def test_what_works_on_no_tree_has_only_what_was_registered() -> None:
    order = StoredOrder(plan=PLAN)

    assert _tree(order) == Tree()
    assert _tree(order, lib={"url": LIB, "commit": SECOND}) == Tree(beside=(_beside("lib", LIB, SECOND),))
