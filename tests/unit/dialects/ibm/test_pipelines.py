"""The tables of IBM's pipelines, held against what IBM's pages say."""

import pytest

from runner.dialects.ibm.pipelines import FINISH, KINDS, PIPELINES, START, kind_of, known_names
from runner.errors import UsageError
from runner.plan import graph
from runner.plan.model import Facts
from runner.plan.trigger import Trigger

# The order in which v9 ran them, from the page of each pipeline; without `start`.
V9 = {
    "pr": "setup detect-secrets test compliance-checks finish",
    "ci": (
        "setup detect-secrets test peer-review static-scan compliance-checks containerize sign-artifact scan-artifact "
        "deploy dynamic-scan acceptance-test release finish"
    ),
    "cd": "setup verify-peer-review verify-artifact change-request deploy acceptance-test finish",
    "cc": "setup detect-secrets static-scan dynamic-scan compliance-checks scan-artifact finish",
}
# The columns "Skip permissible" and "Default Reference Implementation" of the same pages.
SKIPPABLE = {
    "pr": {"test", "compliance-checks", "finish"},
    "ci": {
        *("test", "static-scan", "compliance-checks", "dynamic-scan"),
        *("acceptance-test", "scan-artifact", "release", "finish"),
    },
    "cd": {"verify-peer-review", "verify-artifact", "acceptance-test", "finish"},
    "cc": {"static-scan", "dynamic-scan", "compliance-checks", "scan-artifact", "finish"},
}
NOT_PROVIDED = {
    "pr": {"setup", "test"},
    "ci": {"setup", "test", "containerize", "deploy", "acceptance-test", "release"},
    "cd": {"setup", "deploy", "acceptance-test"},
    "cc": {"setup"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_is_the_one_of_v9(kind: str) -> None:
    assert [slot.name for slot in PIPELINES[kind].slots] == V9[kind].split()


@pytest.mark.parametrize("kind", KINDS)
def test_no_stage_waits_for_one_behind_it_in_that_order(kind: str) -> None:
    assert graph.order(PIPELINES[kind].graph()) == tuple(V9[kind].split())


@pytest.mark.parametrize("kind", KINDS)
def test_only_known_stages_are_waited_for(kind: str) -> None:
    whole = PIPELINES[kind].graph()

    assert {need for needs in whole.values() for need in needs} <= whole.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_every_stage_but_setup_waits_for_setup(kind: str) -> None:
    whole = PIPELINES[kind].graph()

    assert all("setup" in graph.transitive_needs(whole, name) for name in whole if name != "setup")


@pytest.mark.parametrize("kind", KINDS)
def test_what_can_be_skipped_is_what_the_pages_say(kind: str) -> None:
    found = {slot.name for slot in PIPELINES[kind].slots if slot.skippable}

    assert found - {"peer-review"} == SKIPPABLE[kind]  # of that one no page has a row


@pytest.mark.parametrize("kind", KINDS)
def test_what_ibm_provides_is_what_the_pages_say(kind: str) -> None:
    assert {slot.name for slot in PIPELINES[kind].slots if not slot.provided} == NOT_PROVIDED[kind]


@pytest.mark.parametrize(
    ("kind", "required"),
    [
        ("ci", ["setup", "containerize", "deploy"]),
        ("cd", ["setup", "deploy"]),
        ("pr", ["setup"]),
        ("cc", ["setup"]),
    ],
)
def test_what_nobody_provides_and_nobody_can_skip_is_required(kind: str, required: list[str]) -> None:
    assert [slot.name for slot in PIPELINES[kind].slots if slot.required] == required


def test_the_edges_of_ci_are_those_of_the_diagram() -> None:
    whole = PIPELINES["ci"].graph()

    assert whole["detect-secrets"] == whole["test"] == whole["peer-review"] == whole["compliance-checks"] == ("setup",)
    assert whole["static-scan"] == ("peer-review",)
    assert whole["containerize"] == ("detect-secrets",)
    assert whole["sign-artifact"] == whole["scan-artifact"] == ("containerize",)
    assert whole["deploy"] == ("sign-artifact",)
    assert whole["dynamic-scan"] == whole["acceptance-test"] == ("deploy",)
    assert set(whole["release"]) == {
        *("test", "static-scan", "compliance-checks"),
        *("scan-artifact", "acceptance-test", "dynamic-scan"),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_finish_waits_for_all_others(kind: str) -> None:
    whole = PIPELINES[kind].graph()

    assert set(whole[FINISH]) == whole.keys() - {FINISH}


@pytest.mark.parametrize(
    ("kind", "name", "slot"),
    [
        ("ci", "test", "test"),
        ("pr", "unit-tests", "test"),
        ("ci", "unit-test", "test"),
        ("ci", "build-artifact", "containerize"),
        ("cd", "deployment", "deploy"),
    ],
)
def test_a_stage_is_found_in_every_spelling(kind: str, name: str, slot: str) -> None:
    found = PIPELINES[kind].slot(name)

    assert found is not None
    assert found.name == slot


@pytest.mark.parametrize(("kind", "name"), [("pr", "containerize"), ("cd", "test"), ("ci", START), ("ci", "rollback")])
def test_a_stage_of_another_kind_is_not_found(kind: str, name: str) -> None:
    assert PIPELINES[kind].slot(name) is None


def test_known_names_are_those_that_files_can_define() -> None:
    names = known_names()

    assert {"setup", "unit-tests", "verify-artifact", "finish"} <= set(names)
    assert not {"change-request", START} & set(names)
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("push", "ci"),
        ("", "ci"),
        ("tag", "ci"),
        ("pull_request:opened", "pr"),
        ("pull_request", "pr"),
        ("deployment:created", "cd"),
    ],
)
def test_an_event_starts_the_kind_that_it_stands_for(event: str, kind: str) -> None:
    assert kind_of(Trigger(facts=Facts(event=event))) == kind


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_that_is_asked_for_counts_over_the_event(kind: str) -> None:
    assert kind_of(Trigger(facts=Facts(event="pull_request:opened"), kind=kind)) == kind


def test_a_kind_that_there_is_not_is_bad_usage() -> None:
    with pytest.raises(UsageError) as caught:
        kind_of(Trigger(kind="simple"))

    assert "'simple'" in caught.value.message
    assert caught.value.hint == "there are ci, cd, pr, cc"
