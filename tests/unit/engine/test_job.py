from pathlib import Path

import pytest

from runner.engine.inputs import Inputs
from runner.engine.job import Job, Keep
from runner.engine.origins import unfold
from runner.engine.specs import Placed
from runner.pipelinectl.saved import Saved
from runner.plan.model import Facts
from runner.plan.status import Status
from runner.plan.trigger import Trigger
from tests.support.engine import RUN
from tests.support.plans import plan, stage, step


def test_the_backend_is_told_where_a_run_lives_and_leaves_its_outputs() -> None:
    of = plan(stage("s", step("a")), home="/vela", workdir="/vela/src", outputs="/vela/outputs")

    inputs = Inputs(properties={"region": "eu"}, kind="ci")

    spec = Job(id=RUN, plan=of, inputs=inputs).spec

    assert (spec.id, spec.home, spec.workdir, spec.outputs) == (RUN, "/vela", "/vela/src", "/vela/outputs")
    assert (spec.values, spec.config) == (inputs.store("/vela", "/vela/src"), inputs.config())


def test_a_plan_whose_secrets_nobody_would_fetch_is_no_job() -> None:
    of = plan(stage("s", step("a")), origins=(step("vault"),))

    with pytest.raises(ValueError, match="unfolded"):
        Job(id=RUN, plan=of)
    assert Job(id=RUN, plan=unfold(of)).plan.stages[0].steps[0].name == "vault"


@pytest.mark.parametrize(
    ("keep", "kept"),
    [(Keep.NEVER, []), (Keep.FAILED, ["failure", "error", "cancelled", "lost"]), (Keep.ALWAYS, None)],
)
def test_volumes_stay_as_the_policy_says(keep: Keep, kept: list[str] | None) -> None:
    ends = [Status.SUCCESS, Status.FAILURE, Status.ERROR, Status.CANCELLED, Status.LOST]

    assert [status.value for status in ends if keep.after(status)] == (kept if kept is not None else ends)


def test_a_rerun_begins_with_what_was_saved_over_what_every_run_begins_with(tmp_path: Path) -> None:
    known = "p.branch"
    inputs = Inputs(trigger=Trigger(facts=Facts(branch="main")))
    saved = Saved(values={known: b"other\n", "e.a": b"1\n"}, left={".env": b"A=1\n"}, files=tmp_path)

    spec = Job(id=RUN, plan=plan(stage("s", step("a"))), inputs=inputs, restored=saved).spec

    assert spec.values == {**inputs.store("/workspace", "/workspace"), **saved.values}
    assert inputs.store("/workspace", "/workspace")[known] == b"main\n"
    assert (spec.left, spec.files) == (saved.left, tmp_path)


def test_the_store_begins_with_the_names_of_the_declared_async_stages() -> None:
    of = plan(stage("s", step("a")), async_stages=(stage("scan", async_=True), stage("a/b", async_=True)))

    spec = Job(id=RUN, plan=of).spec

    assert {name: content for name, content in spec.values.items() if name.startswith("y.")} == {
        "y.scan": b"",
        "y.a%2Fb": b"",
    }


def test_a_rerun_knows_the_async_stages_of_its_own_plan() -> None:
    of = plan(stage("s", step("a")), async_stages=(stage("scan", async_=True),))

    spec = Job(id=RUN, plan=of, restored=Saved(values={"e.a": b"1\n"})).spec

    assert (spec.values["y.scan"], spec.values["e.a"]) == (b"", b"1\n")


def test_the_backend_is_told_of_the_trees_beside_the_source(tmp_path: Path) -> None:
    placed = (Placed(path=tmp_path, target="/workspace/lib"),)

    assert Job(id=RUN, plan=plan(stage("s", step("a"))), beside=placed).spec.beside == placed
