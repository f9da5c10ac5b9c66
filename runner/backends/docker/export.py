"""What the stages of a run changed in its source, brought to a directory of the host."""

import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from runner import naming
from runner.backends.docker.helper import Helpers
from runner.backends.docker.listing import TO, apply
from runner.backends.docker.trees import Difference
from runner.backends.docker.volumes import Volumes
from runner.engine.backend import Wanted
from runner.naming import Address
from runner.workspace.exporting import Target

Changed = AbstractContextManager[Iterator[Difference]]
"""What ``Trees.differences`` returns."""


class Exporter:
    """Collects the changed files in a volume of their own, so that their size decides what an export costs."""

    def __init__(self, volumes: Volumes, helpers: Helpers) -> None:
        self._volumes = volumes
        self._helpers = helpers

    def export(self, run: Address, changes: Changed, path: Path, wanted: Wanted) -> tuple[str, ...]:
        """Apply changes, one after the other, to a directory; returns what was left out.

        Raises:
            WorkspaceError: it cannot be read or written.
            UnwantedError: ``wanted`` has said no.
        """
        left_out: list[str] = []
        helpers = self._helpers.asking(wanted)
        with Target(path) as target, changes as differences:
            for difference in differences:
                if not difference.changes.empty:
                    left_out += self._transfer(run, difference, target, helpers)
        return tuple(left_out)

    def _transfer(self, run: Address, difference: Difference, target: Target, helpers: Helpers) -> tuple[str, ...]:
        changed = self._volumes.plain(naming.volume(run.run, f"x{secrets.token_hex(4)}"), run)
        try:
            apply(helpers, run.run, difference.changes, source=difference.tree, target=changed.mount(TO))
            mounts = (changed.mount(TO, read_only=True),)
            with helpers.container(run.run, mounts) as container, helpers.get(container, TO) as tar:
                return target.apply(difference.changes, tar)
        finally:
            self._volumes.remove(changed.name)
