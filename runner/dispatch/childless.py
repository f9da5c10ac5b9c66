"""The async stages of a run of ``exec`` whose pipeline has none; ``family`` and ``apart`` know those of others."""

from runner.dispatch.orders import StoredOrder
from runner.engine.report import ChildReport


class Childless:
    """Takes the place of a ``Family`` that nobody can be born into, and needs nothing of what that is made of."""

    def of(self, run: str, order: StoredOrder) -> None:
        """Return what starts the async stages of a run with this order: nothing does."""

    def reports(self) -> list[ChildReport]:
        """Return how they stand."""
        return []

    def cancel(self, *, force: bool = False) -> None:
        """End none of them."""

    def wait(self) -> None:
        """Wait for none of them."""
