"""What steps are started with, in whole runs: variables, outputs of earlier steps, and what is filled in late."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from runner.backends.fake import FakeBackend
from runner.backends.standing import World, leftovers
from runner.engine.backend import Phase
from runner.engine.inputs import Inputs
from runner.engine.specs import Release, StepSpec
from runner.naming import Address
from runner.plan.model import (
    Bind,
    Cache,
    Limits,
    PullPolicy,
    Rules,
    Ruleset,
    SecretUse,
    Stage,
    Step,
    Told,
    Ulimit,
)
from runner.plan.status import Status
from tests.support.engine import SCALE, Life, ManualClock, Result, at, drive
from tests.support.hooked import Call, HookedBackend
from tests.support.plans import plan, stage, step

BOTH = ("success", "failure")


class Listening(FakeBackend):
    """Keeps what attempts are made from, and with which variables they are released."""

    def __init__(self) -> None:
        super().__init__(World(scale=SCALE))
        self.specs: dict[Address, StepSpec] = {}
        self.environments: dict[Address, dict[str, str]] = {}

    def prepare(self, step: StepSpec) -> Phase:
        self.specs[step.address] = step
        return super().prepare(step)

    def release(self, address: Address, release: Release) -> None:
        self.environments[address] = dict(release.environment)
        super().release(address, release)


def _drive(*steps: Step, **fields: Any) -> tuple[Result, Listening]:  # noqa: ANN401 - those of `Plan`, and secrets
    """Drive a stage ``s`` of these steps, in a run with outputs."""
    backend = Listening()
    secrets = fields.pop("secrets", {})
    return drive(plan(stage("s", *steps), outputs="/outputs", **fields), backend=backend, secrets=secrets), backend


def _leaving(name: str, line: str) -> Step:
    return step(name, fake={"FAKE_OUTPUT": line})


def test_all_that_a_step_says_of_its_container_reaches_the_backend() -> None:
    fields: dict[str, Any] = {
        "shell": "/bin/bash",
        "working_dir": "sub",
        "limits": Limits(cpus=0.5, memory=1024, pids=10),
        "ulimits": (Ulimit(name="nofile", soft=1, hard=2),),
        "volumes": (Bind(source="/a", target="/b"),),
        "caches": (Cache(key="k", path="p"),),
        "privileged": True,
        "user": "bob",
    }

    _, backend = _drive(step("a", **fields))

    spec = backend.specs[at("s/a")]
    assert {name: getattr(spec, name) for name in fields} == fields


def test_an_output_of_a_step_is_a_variable_of_those_behind_it() -> None:
    _, backend = _drive(_leaving("a", "A=1"), _leaving("b", "B=2"), step("c"))

    found = {name: {key: env[key] for key in ("A", "B") if key in env} for name, env in _by_step(backend).items()}
    assert found == {"a": {}, "b": {"A": "1"}, "c": {"A": "1", "B": "2"}}


def _by_step(backend: Listening) -> dict[str, dict[str, str]]:
    return {address.step: environment for address, environment in backend.environments.items()}


def test_outputs_pass_from_stage_to_stage() -> None:
    backend = Listening()

    drive(plan(stage("a", _leaving("x", "A=1")), stage("b", step("y"), needs=("a",)), outputs="/o"), backend=backend)

    assert backend.environments[at("b/y")]["A"] == "1"


def test_an_output_takes_the_place_of_no_variable_that_a_step_has() -> None:
    use = SecretUse(source="token", target="TOKEN")
    lines = "OWN=out\nTOKEN=out\nRUN=out\nNEW=out"

    _, backend = _drive(
        _leaving("a", lines),
        step("b", fake={"OWN": "own"}, secrets=(use,)),
        secrets={"token": "geheim"},
        environment={"RUN": "run"},
    )

    found = _by_step(backend)["b"]
    assert [found[name] for name in ("OWN", "TOKEN", "RUN", "NEW")] == ["own", "geheim", "run", "out"]


def test_a_variable_that_is_the_name_of_an_output_becomes_its_value() -> None:
    own = {"X": "$A", "Y": "$A!", "Z": "$MISSING", "W": "${A}", "V": "$"}

    _, backend = _drive(_leaving("a", "A=1"), step("b", fake=own))

    found = _by_step(backend)["b"]
    assert {name: found[name] for name in own} == {"X": "1", "Y": "$A!", "Z": "$MISSING", "W": "${A}", "V": "$"}


def test_an_output_of_the_same_name_is_meant_where_a_variable_says_so() -> None:
    _, backend = _drive(_leaving("a", "tok=1"), step("b", fake={"tok": "$tok"}))

    assert _by_step(backend)["b"]["tok"] == "1"


def test_a_masked_output_of_the_last_step_is_hidden_too() -> None:
    of = plan(stage("s", step("a", fake={"FAKE_MASKED_OUTPUT": "A=geheim"})), outputs="/o")
    life = Life(of, backend=FakeBackend(World(scale=SCALE)))

    life.start().finish()

    assert "geheim" in life.logs.hidden


def test_a_masked_output_is_hidden_before_the_next_step_is_released() -> None:
    hidden: list[bool] = []
    world = World(scale=SCALE)

    def look(call: Call) -> None:
        if (call.verb, call.path) == ("release", "s/b"):
            hidden.append("geheim" in life.logs.hidden)

    of = plan(stage("s", step("a", fake={"FAKE_MASKED_OUTPUT": "A=geheim"}), step("b")), outputs="/o")
    life = Life(of, backend=HookedBackend(FakeBackend(world), before=look))

    life.start().finish()
    assert hidden == [True]


def test_outputs_are_read_before_each_step_and_at_the_end_of_a_stage_where_the_plan_has_some() -> None:
    calls: list[str] = []
    backend = HookedBackend(FakeBackend(), before=lambda call: calls.append(call.verb))

    drive(plan(stage("s", step("a"), step("b"))), backend=backend)
    assert "outputs" not in calls

    calls.clear()
    drive(plan(stage("s", step("a"), step("b", status=["failure"])), outputs="/o"), backend=backend)
    reads = [call for call in calls if call in ("outputs", "release", "close_stage")]
    assert reads == ["outputs", "release", "outputs", "close_stage"]


def test_an_output_that_cannot_be_read_is_an_error_of_the_step_that_would_get_it() -> None:
    big = "A=" + "x" * (10 * 1024 * 1024)

    result, _ = _drive(_leaving("a", big), step("b"), step("c", status=BOTH))

    assert result.statuses == {"s/a": "success", "s/b": "error", "s/c": "cancelled"}
    assert result.reason("s/b") == "the outputs in .env have more than 10 MiB"


def test_a_detached_step_gets_outputs_too_and_one_that_cannot_is_an_error() -> None:
    _, backend = _drive(_leaving("a", "A=1"), step("b", detach=True))
    assert _by_step(backend)["b"]["A"] == "1"

    result, _ = _drive(step("a", detach=True, late=True, user="${A"))
    assert (result.status("s/a"), result.status("s")) == (Status.ERROR, Status.ERROR)


def test_a_late_step_has_its_texts_filled_in_from_outputs_secrets_and_variables() -> None:
    late = step(
        "b",
        late=True,
        image="registry/${NAME}:${TAG}",
        entrypoint=("run", "--as", "${WHO:-nobody}"),
        user="${USER_ID}",
        working_dir="src/${NAME}",
        fake={"USER_ID": "1000", "URL": "https://${TOKEN}@${HOST}", "PLAIN": "$$5"},
        secrets=(SecretUse(source="token", target="TOKEN"),),
        pull=PullPolicy.ON_START,
    )

    _, backend = _drive(
        _leaving("a", "NAME=app\nTAG=v1"), late, secrets={"token": "geheim"}, environment={"HOST": "example.org"}
    )

    spec, found = backend.specs[at("s/b")], _by_step(backend)["b"]
    assert (spec.image, spec.user, spec.working_dir) == ("registry/app:v1", "1000", "src/app")
    assert spec.entrypoint == ("run", "--as", "nobody")
    assert (found["URL"], found["PLAIN"]) == ("https://geheim@example.org", "$5")
    assert spec.environment["URL"] == "https://${TOKEN}@${HOST}"
    assert backend.world.fetched[-1] == ("registry/app:v1", True)


def test_values_that_come_from_elsewhere_are_never_templates() -> None:
    use = SecretUse(source="token", target="TOKEN")
    own = {"A": "$NAME", "B": "${TOKEN}", "C": "${MESSAGE}"}

    _, backend = _drive(
        _leaving("a", "NAME=${X}"),
        step("b", late=True, fake=own, secrets=(use,)),
        secrets={"token": "${Y}"},
        environment={"MESSAGE": "${Z}"},
    )

    found = _by_step(backend)["b"]
    values = {name: found[name] for name in ("A", "B", "C", "NAME", "TOKEN", "MESSAGE")}
    assert values == {"A": "${X}", "B": "${Y}", "C": "${Z}", "NAME": "${X}", "TOKEN": "${Y}", "MESSAGE": "${Z}"}


def test_variables_are_filled_in_once_from_what_stood_there_before() -> None:
    _, backend = _drive(step("a", late=True, fake={"A": "${B}", "B": "${C}", "C": "1"}))

    found = _by_step(backend)["a"]
    assert (found["A"], found["B"]) == ("${C}", "1")


def test_a_step_that_is_not_late_is_left_as_it_is() -> None:
    _, backend = _drive(step("a", image="i", user="${U}", fake={"A": "${B}"}))

    assert (backend.specs[at("s/a")].user, _by_step(backend)["a"]["A"]) == ("${U}", "${B}")


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("image", {"image": "${A", "pull": PullPolicy.NEVER}),
        ("user", {"user": "${A"}),
        ("entrypoint", {"entrypoint": ("x", "${A")}),
        ("working_dir", {"working_dir": "${A"}),
        ("variable X", {"fake": {"X": "${A"}}),
    ],
)
def test_a_text_that_cannot_be_filled_in_is_an_error_that_names_it(field: str, fields: dict[str, Any]) -> None:
    result, backend = _drive(step("a"), step("b", late=True, **fields), step("c", status=BOTH))

    assert result.statuses == {"s/a": "success", "s/b": "error", "s/c": "cancelled"}
    assert result.reason("s/b").startswith(f"{field} of step b: ")
    assert at("s/b") not in backend.world.starts


def test_each_attempt_is_started_with_what_is_there_then() -> None:
    _, backend = _drive(step("a", 1, retry=1, late=True, fake={"FAKE_OUTPUT": "TAG=2"}, user="u${TAG}"))

    assert [backend.specs[at("s/a", attempt=n)].user for n in (1, 2)] == ["u", "u2"]


EVAL = Ruleset(if_=Rules(status=("*",), eval="A == '1'"))


@pytest.mark.parametrize(("line", "expected"), [("A=1", "success"), ("A=2", "skipped")])
def test_a_rule_beside_one_on_the_status_sees_outputs(line: str, expected: str) -> None:
    asking = Step(name="b", image="i", ruleset=EVAL)

    result, _ = _drive(_leaving("a", line), asking)

    assert result.statuses["s/b"] == expected
    if expected == "skipped":
        assert result.reason("s/b") == "eval \"A == '1'\" is false"


def test_a_rule_of_the_stage_sees_outputs_of_stages_before_it() -> None:
    of = plan(
        stage("a", _leaving("x", "A=1")),
        stage("b", step("y"), needs=("a",), ruleset=EVAL),
        stage("c", step("y", fake={"A": "2"}), needs=("a",), ruleset=EVAL),
        outputs="/o",
    )

    result = drive(of, backend=Listening())

    assert result.statuses == {"a/x": "success", "b/y": "success", "c/y": "skipped"}
    assert result.reason("c/y") == "stage: eval \"A == '1'\" is false"


def test_a_rule_that_cannot_be_judged_is_an_error_that_names_the_step() -> None:
    bad = Ruleset(if_=Rules(status=("*",), eval="A"))

    result, _ = _drive(step("a"), Step(name="b", image="i", ruleset=bad), step("c", status=BOTH))

    assert result.statuses == {"s/a": "success", "s/b": "error", "s/c": "cancelled"}
    assert result.reason("s/b").startswith("ruleset of step b: 'A' ")


class Clock(ManualClock):
    """A clock that goes on by a second with each call of the hook."""

    def tick(self, _: Call) -> None:
        self.time += 1


def _told(*stages: Stage, clock: ManualClock | None = None, hook: Callable[[Call], None] | None = None) -> Listening:
    told = {"STATUS": Told.RUN_STATUS, "BEGAN": Told.RUN_STARTED, "NOW": Told.STEP_STARTED}
    backend = Listening()
    hooked = HookedBackend(backend, before=hook or (lambda _: None))
    drive(plan(*stages, told=told), backend=hooked, clock=clock)
    return backend


def test_a_step_is_told_how_the_run_stands_when_it_starts() -> None:
    backend = _told(
        stage("s", step("a", fake={"STATUS": "old"}), step("b", 1), step("c", status=BOTH)),
        stage("apart", step("d"), needs=("s",), independent=True),
    )

    assert {name: env["STATUS"] for name, env in _by_step(backend).items()} == {
        "a": "running",
        "b": "running",
        "c": "failure",
        "d": "failure",
    }


def test_a_step_is_told_when_the_run_began_and_when_it_starts_itself() -> None:
    clock = Clock()
    began = str(int(clock.time))

    backend = _told(stage("s", step("a"), step("b")), clock=clock, hook=clock.tick)

    first, second = (_by_step(backend)[name] for name in "ab")
    assert first["BEGAN"] == second["BEGAN"] == began
    assert int(began) < int(first["NOW"]) < int(second["NOW"])
    assert datetime.fromtimestamp(int(first["NOW"]), UTC) <= clock.now()


def test_what_a_step_is_told_can_be_filled_in_too() -> None:
    backend = _told(stage("s", step("a", 1), step("b", status=BOTH, late=True, fake={"X": "it is ${STATUS}"})))

    assert _by_step(backend)["b"]["X"] == "it is failure"


def test_a_script_reaches_the_backend_as_it_is() -> None:
    script = "#!/usr/bin/env python3\nprint('$HOME')\n"

    _, backend = _drive(step("a", script=script))

    assert backend.specs[at("s/a")].script == script


@pytest.mark.parametrize(("code", "told"), [(0, "Succeeded"), (1, "Failed")])
def test_a_step_is_told_how_the_pipeline_stands_in_the_words_of_ibm(code: int, told: str) -> None:
    backend = Listening()
    of = plan(
        stage("test", step("a", code)),
        stage(
            "finish",
            step("z", told={"PIPELINE_STATUS": Told.PIPELINE_STATUS}),
            step("y"),
            needs=("test",),
            independent=True,
        ),
    )

    drive(of, backend=backend)

    assert backend.environments[at("finish/z")]["PIPELINE_STATUS"] == told
    assert "PIPELINE_STATUS" not in backend.environments[at("finish/y")]


def test_a_failure_that_is_allowed_is_none_to_who_is_told_how_the_pipeline_stands() -> None:
    backend = Listening()
    asking = step("z", told={"PIPELINE_STATUS": Told.PIPELINE_STATUS})

    drive(
        plan(stage("scan", step("a", 1), allow_failure=True), stage("finish", asking, needs=("scan",))), backend=backend
    )

    assert backend.environments[at("finish/z")]["PIPELINE_STATUS"] == "Succeeded"


def test_what_a_step_is_told_takes_the_place_of_what_all_steps_are() -> None:
    asking = step("a", told={"STATUS": Told.PIPELINE_STATUS})

    _, backend = _drive(asking, step("b"), told={"STATUS": Told.RUN_STATUS})

    assert {name: found["STATUS"] for name, found in _by_step(backend).items()} == {"a": "Succeeded", "b": "running"}


def test_a_stage_with_a_configuration_of_its_own_sees_that_and_the_others_that_of_the_run() -> None:
    backend = Listening()
    inputs = Inputs(properties={"app": "shop", "tools/url": "https://x"}, secure={"tools/key": "s3cret"})
    of = plan(stage("own", step("a"), config=("tools",)), stage("usual", step("b")))

    drive(of, backend=backend, inputs=inputs)

    assert [backend.specs[at(path)].own_config for path in ("own/a", "usual/b")] == [True, False]
    assert {address: sorted(map(str, files)) for address, files in backend.world.configs.items()} == {
        at("own/a"): ["app", "environment-properties/app", "key", "url"]
    }


def test_a_configuration_that_is_not_there_is_an_error_of_the_stage_and_no_end_of_its_driver() -> None:
    """As a run has whose stored order was made before anybody looked (``Inputs.check``)."""
    world = World(scale=SCALE)
    of = plan(stage("own", step("a"), config=("tools",)), stage("after", step("b"), needs=("own",)))

    result = drive(of, world=world)

    assert (result.run.status, result.status("own/a")) == (Status.ERROR, Status.ERROR)
    assert "stage own wants the configuration 'tools', and nobody has given it" in result.reason("own")
    assert at("own/a") not in world.starts
    assert leftovers(world) == ()
