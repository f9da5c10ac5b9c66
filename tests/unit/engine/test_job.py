import pytest

from runner.engine.inputs import Inputs
from runner.engine.job import Job
from runner.engine.origins import unfold
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
