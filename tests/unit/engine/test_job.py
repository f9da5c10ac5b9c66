import pytest

from runner.engine.backend import RunSpec
from runner.engine.job import Job
from runner.engine.origins import unfold
from tests.support.engine import RUN
from tests.support.plans import plan, stage, step


def test_the_backend_is_told_where_a_run_lives_and_leaves_its_outputs() -> None:
    of = plan(stage("s", step("a")), home="/vela", workdir="/vela/src", outputs="/vela/outputs")

    assert Job(id=RUN, plan=of).spec == RunSpec(id=RUN, home="/vela", workdir="/vela/src", outputs="/vela/outputs")


def test_a_plan_whose_secrets_nobody_would_fetch_is_no_job() -> None:
    of = plan(stage("s", step("a")), origins=(step("vault"),))

    with pytest.raises(ValueError, match="unfolded"):
        Job(id=RUN, plan=of)
    assert Job(id=RUN, plan=unfold(of)).plan.stages[0].steps[0].name == "vault"
