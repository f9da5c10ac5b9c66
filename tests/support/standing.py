"""One attempt of a step, and what the engine would say of its container."""

from runner.backends.docker.hostconfig import Joined, Placement
from runner.backends.docker.inspection import State
from runner.engine.specs import StepSpec
from runner.naming import Address, Instance

ADDRESS = Address("r", "s", "t")
INSTANCE = Instance(id="i1", kind="exec", host="h", owner="o")
SPEC = StepSpec(address=ADDRESS, image="i", commands=("true",))
PLACEMENT = Placement(
    image="i",
    network=Joined(container="box"),
    role="step",
    workdir="/w",
    marks="/marks",
    mounts=(),
    has_shell=lambda _: True,
)
SURVIVOR = State(
    id="old",
    status="running",
    exit_code=0,
    error="",
    out_of_memory=False,
    mark="",
    keeps_log=True,
    finished_at=-1.0,
    labels={},
)
"""A container that an earlier process has left, and that runs."""
