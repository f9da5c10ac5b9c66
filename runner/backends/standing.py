"""The containers of a fake world."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from runner.backends.behaviour import Behaviour
from runner.engine.backend import Output, Readiness
from runner.naming import Address


@dataclass
class Container:
    """A container of the world; it outlives the backend that made it. ``given`` are variables known from the first."""

    address: Address
    given: Mapping[str, str] = field(default_factory=dict)
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

    def readiness(self, scale: float) -> Readiness:
        """Say whether it can be used, where a second takes ``scale`` real seconds."""
        if self.exit_code is not None:
            reason = f"it ended with exit code {self.exit_code}"
            return Readiness(ready=False, hopeless=True, ended=True, reason=reason)
        if self.behaviour.unhealthy:
            return Readiness(ready=False, hopeless=True, reason=self.behaviour.unhealthy)
        starting = time.monotonic() - self.released_at < self.behaviour.ready_after * scale
        return Readiness(ready=not starting, reason="it is starting" if starting else "")
