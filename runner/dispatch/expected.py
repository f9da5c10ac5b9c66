"""Which pipelines were begun on this machine before, and so are likely to run once more when somebody names them."""

import hashlib
from typing import Final

from runner.backends.docker.memory import Memory
from runner.plan.model import Plan
from runner.settings import Settings

_FILE: Final = "pipelines"


class Expected:
    """What is known of one pipeline by the content of its file, whatever else decides about a run of it."""

    def __init__(self, settings: Settings, content: bytes) -> None:
        self._memory = Memory(settings.state / _FILE)
        self._fact = hashlib.sha256(content).hexdigest()

    @property
    def likely(self) -> bool:
        """Whether a run of it will need a sandbox that can be made before the pipeline is read."""
        return self._memory.knows(self._fact)

    def learn(self, plan: Plan) -> None:
        """Note what is going to be run of the pipeline."""
        if plan.stages and not plan.reaches_by_name:
            self._memory.learn(self._fact)
