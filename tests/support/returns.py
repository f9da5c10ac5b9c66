"""What a step leaves through the commands that return something, under a shell of this machine."""

from collections.abc import Mapping

from runner.pipelinectl import layout
from runner.pipelinectl.returns import Returned, returned
from tests.support.shim import Done, Shim

STEP = "abcdefghijklmnop"
TOLD = {layout.STEP: STEP}
"""What a step is told by variables."""
MAPPED = {**TOLD, layout.MAPPED: "1"}


def left(
    shim: Shim, script: str, environment: Mapping[str, str] = TOLD, *, stdin: bytes = b"", user: int | None = None
) -> Returned:
    """Run a script, which must succeed and print nothing, and return what the step has returned by then."""
    done = shim.run(script, environment=environment, stdin=stdin, user=user)
    assert (done.status, done.out, done.err) == (0, b"", b"")
    return returned(shim.left_returns()).get(STEP, Returned())


def refused(done: Done, status: int, about: bytes) -> None:
    """A failure as all are: nothing on standard output, one line of ours on standard error."""
    assert (done.status, done.out) == (status, b"")
    assert done.err.startswith(b"pipelinectl: ")
    assert done.err.count(b"\n") == 1
    assert about in done.err
