import pytest

from runner.dialects.findings import nearest
from runner.errors import UsageError
from runner.plan.events import ACTIONS, full_name, names


@pytest.mark.parametrize(
    ("asked", "event"),
    [
        ("push", "push"),
        ("tag", "tag"),
        ("schedule", "schedule"),
        ("merge_group", "merge_group"),
        ("pull_request", "pull_request:opened"),
        ("pull", "pull_request:opened"),
        ("pull:labeled", "pull_request:labeled"),
        ("comment", "comment:created"),
        ("deployment", "deployment:created"),
        ("deploy", "deployment:created"),
        ("delete:tag", "delete:tag"),
    ],
)
def test_an_event_gets_its_usual_action_and_its_full_name(asked: str, event: str) -> None:
    assert full_name(asked, nearest) == event


@pytest.mark.parametrize("name", [name for name in names() if name != "delete"])
def test_every_name_means_an_event(name: str) -> None:
    assert full_name(name, nearest).startswith(name)


def test_a_deletion_must_say_of_what() -> None:
    with pytest.raises(UsageError, match="'delete' does not say what happened") as caught:
        full_name("delete", nearest)

    assert caught.value.hint == "write delete:branch or delete:tag"


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("pusch", "did you mean 'push'?"),
        ("pull_request:open", "did you mean 'pull_request:opened'?"),
        ("pull_request:", "did you mean 'pull_request'?"),
        ("comment:zzzzzzzzzzzzzzzz", "known: created, edited"),
        ("xyzzy", f"known: {', '.join(ACTIONS)}"),
        ("push:now", "did you mean 'push'?"),
        ("", f"known: {', '.join(ACTIONS)}"),
    ],
)
def test_an_unknown_event_is_refused_with_the_nearest_or_those_that_there_are(asked: str, hint: str) -> None:
    with pytest.raises(UsageError, match="there is no event") as caught:
        full_name(asked, nearest)

    assert caught.value.hint == hint
