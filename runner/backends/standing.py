"""The containers of a fake world."""

from collections.abc import Callable
from dataclasses import dataclass, field

from runner.backends.behaviour import Behaviour
from runner.engine.backend import Output
from runner.naming import Address


@dataclass
class Container:
    """A container of the world; it outlives the backend that made it."""

    address: Address
    behaviour: Behaviour = field(default_factory=Behaviour)
    own_config: bool = False
    released: bool = False
    released_at: float = 0.0
    exit_code: int | None = None
    gone: bool = False
    broken: bool = False
    failed: bool = False
    output: Output | None = None
    wake: Callable[[], None] | None = None

    def end(self, exit_code: int) -> None:
        """Let it end, unless it has."""
        if self.exit_code is None and not self.gone:
            self.exit_code = exit_code
            self.stir()

    def stir(self) -> None:
        """Say that there may be news."""
        if self.wake is not None:
            self.wake()
