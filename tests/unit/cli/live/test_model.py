import pytest

from runner.cli.live.model import Model, Part, View, familiar
from runner.engine.backend import PullProgress
from runner.engine.events import Event, Notice, Printing, Pulling
from runner.naming import Address
from runner.plan.model import Fork, Plan
from runner.plan.status import Status
from tests.support.faces import STORY, address, changed, service
from tests.support.plans import plan, stage, step, steps_only
from tests.support.plans import service as a_service

PLAN = plan(
    stage("build", step("test", retry=1), step("later")),
    stage("image", step("proxy", detach=True), needs=("build",), retry=2),
    services=(a_service("db"), a_service("cache")),
)


def _view(*events: Event, of: Plan = PLAN, clock: float = 100.0) -> View:
    model = Model(of)
    for event in events:
        model.apply(event, clock)
    return model.view(clock)


def _pull(image: str) -> Pulling:
    return Pulling(PullProgress(image=image, text="Downloading", current=1, total=2))


def _images(view: View) -> list[str]:
    return [pull.image for pull in view.pulls]


def test_before_the_first_event_everything_waits() -> None:
    view = _view()

    assert view.run.status is Status.PENDING
    assert {stage.part.status for stage in view.stages} == {Status.PENDING}
    assert [part.name for part in view.services] == ["db", "cache"]
    assert view.now == 0.0


def test_a_told_run_stands_as_it_was_told() -> None:
    view = _view(*STORY)
    build, image = view.stages

    assert (view.run.name, view.run.status) == ("0badcafe", Status.FAILURE)
    assert (build.part.status, build.part.reason) == (Status.FAILURE, "step test: it was too big")
    assert [part.status for part in build.steps] == [Status.FAILURE, Status.SKIPPED]
    assert [part.status for part in view.services] == [Status.CANCELLED, Status.FAILURE]
    assert image.part.status is Status.PENDING


def test_a_step_shows_its_last_attempt_and_how_many_there_may_be() -> None:
    test = _view(*STORY).stages[0].steps[0]

    assert (test.tries, test.most, test.exit_code, test.reason) == (2, 2, 137, "it was too big")
    assert test.elapsed(50.0) == pytest.approx(0.1)


def test_a_stage_shows_its_last_round() -> None:
    again = Address("0badcafe", "image", round=2)
    view = _view(changed(address("image"), Status.FAILURE), changed(again, Status.RUNNING))

    assert (view.stages[1].part.tries, view.stages[1].part.most) == (2, 3)
    assert view.stages[1].part.status is Status.RUNNING


def test_a_stage_waits_for_those_it_needs_that_have_not_ended() -> None:
    assert _view().stages[1].waits == ("build",)
    assert _view(changed(address("build"), Status.SUCCESS)).stages[1].waits == ()


def test_a_stage_that_has_begun_waits_for_nothing() -> None:
    assert _view(changed(address("image"), Status.RUNNING)).stages[1].waits == ()


def test_detached_steps_are_told_apart() -> None:
    assert _view().stages[1].steps[0].detached


def test_time_goes_on_between_events() -> None:
    model = Model(PLAN)
    model.apply(changed(address("build"), Status.RUNNING, at=3.0), 103.0)

    view = model.view(110.0)

    assert view.now == 10.0
    assert view.stages[0].part.elapsed(view.now) == 7.0


def test_an_event_that_arrives_late_does_not_turn_time_back() -> None:
    model = Model(PLAN)
    model.apply(changed(address(), Status.RUNNING, at=0.0), 100.5)
    model.apply(changed(address("build"), Status.RUNNING, at=2.0), 102.0)
    model.apply(changed(address("build/test"), Status.RUNNING, at=2.0), 109.0)

    assert model.view(110.0).now == 10.0


def test_what_has_ended_ages_no_more() -> None:
    assert Part(name="x", status=Status.SUCCESS, started=1.0, seconds=2.0).elapsed(99.0) == 2.0


def test_what_never_began_has_no_time() -> None:
    assert Part(name="x", status=Status.SKIPPED).elapsed(99.0) is None


def test_a_run_is_over_when_it_has_ended() -> None:
    model = Model(PLAN)
    model.apply(changed(address(), Status.RUNNING), 0.0)
    assert not model.over

    model.apply(changed(address(), Status.ERROR), 0.0)
    assert model.over


def test_a_notice_changes_nothing() -> None:
    assert _view(Notice("odd", address("build/test"))) == _view()


def test_a_pull_shows_its_last_word() -> None:
    view = _view(_pull("a"), Pulling(PullProgress(image="a", text="Extracting", current=2, total=2)))

    assert [(pull.image, pull.text) for pull in view.pulls] == [("a", "Extracting")]


def test_pulls_of_before_the_run_are_over_when_something_starts() -> None:
    began = _view(changed(address(), Status.RUNNING), _pull("a"))

    assert _images(began) == ["a"]
    assert _images(_view(_pull("a"), changed(service("db"), Status.RUNNING))) == []


def test_a_pull_during_the_run_is_not_over_when_another_stage_starts() -> None:
    view = _view(changed(address("build"), Status.RUNNING), _pull("a"), changed(address("image"), Status.RUNNING))

    assert _images(view) == ["a"]


@pytest.mark.parametrize(
    "event", [Printing(address("s/one"), "log"), changed(address("s/one"), Status.ERROR, reason="no such image")]
)
def test_the_pull_of_a_step_is_over_when_the_step_prints_or_ends(event: Event) -> None:
    of = steps_only(step("one", image="golang"), step("two", image="other:1"))
    begun = changed(address("s"), Status.RUNNING)
    pulls = (_pull("docker.io/library/golang:latest"), _pull("docker.io/library/other:1"))

    assert _images(_view(begun, *pulls, event, of=of)) == ["docker.io/library/other:1"]


def test_the_pull_of_a_service_is_over_when_the_service_has_started() -> None:
    view = _view(changed(service("db"), Status.RUNNING), _pull("busybox:local"), Printing(service("db"), "log"))

    assert _images(view) == []


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("docker.io/library/golang:1.24", "golang:1.24"),
        ("docker.io/octocat/app:latest", "octocat/app"),
        ("golang", "golang"),
        ("example.org:5000/app:v1", "example.org:5000/app:v1"),
        ("example.org:5000/app:v1@sha256:ab", "example.org:5000/app@sha256:ab"),
        ("app@sha256:ab", "app@sha256:ab"),
    ],
)
def test_an_image_is_called_what_users_call_it(image: str, name: str) -> None:
    assert familiar(image) == name


FORKING = plan(stage("each", step("one"), fork=Fork(values=[], stages=())), stage("last", step("one"), needs=("each",)))


def test_branches_take_the_place_of_their_fork() -> None:
    view = _view(
        changed(address(), Status.RUNNING),
        changed(address("each"), Status.SUCCESS, branches=2),
        changed(address("each[1]/one"), Status.RUNNING),
        of=FORKING,
    )

    assert [stage.part.name for stage in view.stages] == ["each[0]", "each[1]", "last"]
    assert view.stages[1].steps[0].status is Status.RUNNING
    assert view.stages[2].waits == ("each[0]", "each[1]")


def test_a_fork_that_has_no_values_has_no_row() -> None:
    view = _view(changed(address("each"), Status.SUCCESS, branches=0), of=FORKING)

    assert [(stage.part.name, stage.waits) for stage in view.stages] == [("last", ())]


def test_a_paused_run_is_over_until_it_goes_on() -> None:
    model = Model(PLAN)
    over = []
    for status in (Status.RUNNING, Status.PAUSED, Status.RUNNING, Status.SUCCESS):
        model.apply(changed(address(), status), 100.0)
        over.append(model.over)

    assert over == [False, True, False, True]
