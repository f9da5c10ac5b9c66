"""What the branches of a fork have changed, put into the tree of a stage behind it, each in a directory of its own.

It is done before the first step of each round of the stage, once, as an empty volume tells whoever comes later. Where
it was cut off it is done again, over what is there.
"""

import os
import time
from collections import defaultdict
from collections.abc import Iterable

from runner import naming
from runner.backends.docker.helper import Helpers, directory
from runner.backends.docker.listing import TO, Bringing, bring, member
from runner.backends.docker.ownership import Root
from runner.backends.docker.trees import Left, Plot, Trees
from runner.backends.docker.volumes import Volume, Volumes
from runner.engine.specs import Gathered, StageSpec
from runner.workspace.changes import parents

_DONE = "g"  # the last letter of the volume that says of a stage that all is in its tree

_AT_ONCE = 250
"""How many branches are looked at together: a container that mounts 500 volumes starts in a second."""


class Gathering:
    """Gathers for the stages of an instance's runs, for use from any thread."""

    def __init__(self, volumes: Volumes, helpers: Helpers) -> None:
        self._volumes = volumes
        self._helpers = helpers

    def gather(self, trees: Trees, plot: Plot, stage: StageSpec, tree: Volume, root: Root) -> None:
        """Put what was gathered for a stage into its tree; the directories for branches are like ``root``.

        Raises:
            WorkspaceError: it cannot be read or written.
        """
        done = naming.layer(stage.address, _DONE)
        if not stage.gathered or done in self._volumes.of_run(stage.address.run):
            return
        for start in range(0, len(stage.gathered), _AT_ONCE):
            some = stage.gathered[start : start + _AT_ONCE]
            found = trees.unite(plot, [each.layers for each in some])
            self._put(stage.address.run, zip(some, found, strict=True), tree, root)
        self._volumes.plain(done, stage.address)

    def _put(self, run: str, branches: Iterable[tuple[Gathered, Left]], tree: Volume, root: Root) -> None:
        """Copy in one container."""
        around: set[bytes] = set()
        directories, removed, brought = [], [], []
        targets: dict[Volume, str] = {}
        for each, left in branches:
            place, files = os.fsencode(each.path), defaultdict(list)
            around.update(parents(place))
            directories.append(directory(each.path, mode=root.mode, uid=root.uid, gid=root.gid, modified=time.time()))
            directories += [member(place + b"/" + path, entry) for path, entry in left.directories.items()]
            for path, volume in left.files.items():
                removed.append(place + b"/" + path)
                files[volume].append(path)
            for volume, paths in files.items():
                source = targets.setdefault(volume, f"/from{len(targets)}")
                brought.append(Bringing(source=source, files=paths, to=each.path))
        mounts = [volume.mount(target, read_only=True) for volume, target in targets.items()]
        bring(
            self._helpers, run, directories, removed, brought, around=sorted(around), mounts=(*mounts, tree.mount(TO))
        )
