"""The one vocabulary of outcomes: journal, JSON, terminal and API all use these words."""

from enum import StrEnum


class Status(StrEnum):
    """How a step, a stage or a run stands. Never mix the causes: people act on them."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    FAILURE = "failure"  # the step's own doing: its exit code
    ERROR = "error"  # ours or the machine's
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"
    SKIPPED = "skipped"  # decided by a rule
    LOST = "lost"  # nobody saw the end
    NOT_RUN = "not_run"  # a stage that could not run because of another stage
    STOPPED = "stopped"  # a stage or run that an evaluation ended
    PAUSED = "paused"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self not in (Status.PENDING, Status.RUNNING, Status.PAUSED)
