"""What steps leave in the directory of outputs that they all share: the sandbox of a stage answers what is there.

Where it does not, the directory is read through the engine, which takes 40 ms.
"""

from collections.abc import Generator, Mapping
from contextlib import closing

from runner.backends.docker.answers import LongAnswerError, NoAnswerError
from runner.backends.docker.boxes import Sandbox
from runner.backends.docker.client import Engine, translated
from runner.backends.docker.mounts import OUTPUTS
from runner.backends.docker.tars import Limits, persistent, unpacked

LIMITS = Limits(
    directory="the directory of outputs",
    entry="the output",
    hint="a step leaves there only the variables for later steps",
    all_bytes=64 << 20,
    members=10_000,
    file=10 << 20,
)

_WHAT = "the run's outputs"
_MOST_BYTES = LIMITS.all_bytes + LIMITS.members * 2048  # with the headers of a tar


class Outputs:
    """The outputs of an instance's runs, for use from any thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read(self, sandbox: Sandbox) -> Mapping[str, bytes]:
        """Return the files by name, as a sandbox of the run finds them; 3 ms, or 40 where it does not answer.

        Raises:
            InfrastructureError: a file has more than 10 MiB, there are too many, or they cannot be read.
        """
        try:
            return persistent(_WHAT, lambda: unpacked(_answered(sandbox), LIMITS)).files
        except (NoAnswerError, LongAnswerError):
            return persistent(_WHAT, lambda: unpacked(self._archive(sandbox.id), LIMITS)).files

    def _archive(self, container: str) -> Generator[bytes, None, None]:
        with translated("reading the run's outputs"):
            pieces, _ = self._engine.api.get_archive(container, OUTPUTS)
            with closing(pieces):
                yield from pieces


def _answered(sandbox: Sandbox) -> Generator[bytes, None, None]:
    yield sandbox.answers.ask("read_outputs", most=_MOST_BYTES)
