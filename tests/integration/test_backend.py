import pytest

from runner.backends.docker.backend import DockerBackend
from runner.backends.docker.client import Engine
from runner.backends.docker.sweep import Sweep
from runner.engine.specs import RunSpec
from runner.naming import Instance, new_run_id
from runner.settings import DockerSettings


@pytest.mark.parametrize(("overlays", "told"), [(True, False), (False, True)])
def test_a_run_whose_workspaces_must_be_copied_says_so(*, overlays: bool, told: bool) -> None:
    engine = Engine()
    instance = Instance(id=new_run_id(), kind=f"test-{new_run_id()}", host="here", owner="0")
    backend = DockerBackend(engine, DockerSettings(), instance, overlays=overlays)
    run = RunSpec(id=new_run_id(), home="/vela", workdir="/vela/src")

    notes = backend.open_run(run)
    backend.close_run(run, keep=False)
    backend.close()

    assert any("workspaces are copied" in note for note in notes) == told
    sweep = Sweep(engine)
    assert sweep.of_process_like(instance) == sweep.lasting(instance)
    assert sweep.remove(sweep.lasting(instance)) == ()
