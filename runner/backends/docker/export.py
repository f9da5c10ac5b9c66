"""What the stages of a run changed in its source, brought to a directory of the host."""

import secrets
from collections.abc import Sequence
from pathlib import Path

from runner import naming
from runner.backends.docker.helper import Helpers
from runner.backends.docker.listing import TO, apply
from runner.backends.docker.trees import Difference, Plot, Trees
from runner.backends.docker.volumes import Volumes
from runner.naming import Address
from runner.workspace.exporting import Target


class Exporter:
    """Collects the changed files in a volume of their own, so that their size decides what an export costs."""

    def __init__(self, volumes: Volumes, helpers: Helpers) -> None:
        self._volumes = volumes
        self._helpers = helpers

    def export(self, plot: Plot, trees: Trees, stages: Sequence[Address], path: Path) -> tuple[str, ...]:
        """Apply the changes of these stages, lowest first, to a directory; returns what was left out.

        Raises:
            WorkspaceError: it cannot be read or written.
        """
        left_out: list[str] = []
        with Target(path) as target, trees.differences(plot, stages) as differences:
            for difference in differences:
                if not difference.changes.empty:
                    left_out += self._transfer(plot.run, difference, target)
        return tuple(left_out)

    def _transfer(self, run: Address, difference: Difference, target: Target) -> tuple[str, ...]:
        changed = self._volumes.plain(naming.volume(run.run, f"x{secrets.token_hex(4)}"), run)
        try:
            apply(self._helpers, run.run, difference.changes, source=difference.tree, target=changed.mount(TO))
            with self._helpers.container(run.run, (changed.mount(TO, read_only=True),)) as container:
                return target.apply(difference.changes, self._helpers.get(container, TO))
        finally:
            self._volumes.remove(changed.name)
