"""Who may write in a workspace, and whose the files of a bound directory are in the end."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from docker.types import Mount

from runner import naming
from runner.backends.docker.helper import Helpers, archive, directory
from runner.backends.docker.listing import FROM, TO
from runner.backends.docker.sources import Base
from runner.backends.docker.volumes import Volume, Volumes
from runner.engine.specs import RunSpec
from runner.records import record

_ROOT_USERS = ("", "0", "root")

_RECORD = 'cd /from && find . -xdev ! -user "$1" -print0 > /to/known || true'
_NEW = 'cd /from && find . -xdev ! -user "$1" -print0; printf "\\0\\0" && cat /to/known'
_GIVE = 'cd /from && xargs -0 -r chown -h "$1" -- < /in/new'


@record
class Root:
    """Mode and owner of the root of a tree; the default is what the engine makes."""

    mode: int = 0o755
    uid: int = 0
    gid: int = 0

    def lets(self, user: str) -> bool:
        """Say whether a user, in the form of Docker's ``--user``, may write here."""
        name = user.partition(":")[0]
        if name in _ROOT_USERS or self.mode & 0o002:
            return True
        return name == str(self.uid) and bool(self.mode & 0o200)


def root_for(base: Base | None, users: Iterable[str]) -> Root:
    """Return the root of a tree over ``base``: like the source's, but open to all if a user could not write there."""
    root = Root(mode=base.mode, uid=base.uid, gid=base.gid) if base else Root()
    if all(root.lets(user) for user in users):
        return root
    return replace(root, mode=root.mode | 0o777)


def set_roots(helpers: Helpers, run: str, trees: Sequence[tuple[Volume, Root]]) -> None:
    """Give the roots of trees their mode and owner, through a container that never runs."""
    differing = [(volume, root) for volume, root in trees if root != Root()]
    if not differing:
        return
    mounts: list[Mount] = []
    members = []
    for number, (volume, root) in enumerate(differing):
        name = f"root{number}"
        mounts.append(volume.mount(f"/{name}"))
        member = directory(name, mode=root.mode, uid=root.uid, gid=root.gid, modified=time.time())
        members.append((member, b""))
    with helpers.container(run, mounts) as container:
        helpers.put(container, "/", archive(members))


class BoundFiles:
    """The files of a bound directory: what a run makes or replaces there is given to the owner of the directory.

    That is what belongs to somebody else after the run and did not before it.
    """

    def __init__(self, volumes: Volumes, helpers: Helpers) -> None:
        self._volumes = volumes
        self._helpers = helpers

    def record(self, run: RunSpec, base: Base) -> None:
        """Write down, on the engine's machine, what belongs to others before the run."""

        def fill(volume: Volume) -> None:
            self._helpers.run(run.id, _RECORD, [str(base.uid)], mounts=(base.mount(FROM), volume.mount(TO)))

        self._volumes.filled(_name(run), run.address, fill)

    def give_back(self, run: RunSpec, base: Base) -> None:
        """Give what has come since ``record`` to the owner of the directory; without a record, do nothing."""
        volume = self._volumes.whole(_name(run), run.id)
        if volume is None:
            return
        mounts = (base.mount(FROM), volume.mount(TO))
        now, _, then = self._helpers.run(run.id, _NEW, [str(base.uid)], mounts=mounts).partition(b"\0\0")
        new = sorted(set(now.split(b"\0")) - set(then.split(b"\0")) - {b""})
        if new:
            inputs = {"new": b"".join(path + b"\0" for path in new)}
            self._helpers.run(run.id, _GIVE, [f"{base.uid}:{base.gid}"], mounts=mounts, inputs=inputs)


def _name(run: RunSpec) -> str:
    return naming.volume(run.id, "b")
