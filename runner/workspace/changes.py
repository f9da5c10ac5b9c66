"""What a stage changed in a tree, found by comparing two listings of it.

A listing is what ``find . -xdev -exec stat -c FORMAT {} +`` prints. No path of ``find`` holds ``//``, so that a record
ends at ``//`` and a newline whatever is in the names. Paths are bytes below the root of the tree, without ``./``.
"""

import stat
from collections.abc import Iterator, Mapping

from runner.records import record

FORMAT = "%f %s %z %u %g %Y %n//"

_FIELDS = 8  # %z is three of them: date, time, zone
_END = b"//\n"


@record
class Entry:
    """A file as a listing shows it. ``changed`` is its ctime, as text: every change to a file moves it."""

    mode: int
    size: int
    changed: bytes
    uid: int
    gid: int
    modified: int

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory (a link to one is not)."""
        return stat.S_ISDIR(self.mode)

    def same(self, other: "Entry") -> bool:
        """Say whether nothing changed. A directory changes with its own mode and owner, not with its content."""
        if self.is_directory and other.is_directory:
            return (self.mode, self.uid, self.gid) == (other.mode, other.uid, other.gid)
        return self == other


Listing = Mapping[bytes, Entry]


@record
class Changes:
    """The difference between two listings.

    ``files`` were written: everything but directories. ``directories`` were made or got another mode or owner;
    ``around`` are the other directories in which something changed. ``deleted`` names the topmost path only, and also
    what has become another kind of file. Directories come with what they are now, parents first.
    """

    files: tuple[bytes, ...] = ()
    directories: tuple[tuple[bytes, Entry], ...] = ()
    around: tuple[tuple[bytes, Entry], ...] = ()
    deleted: tuple[bytes, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing changed."""
        return not (self.files or self.directories or self.deleted)

    @property
    def touched(self) -> frozenset[bytes]:
        """The paths whose content is at stake: written files and whatever was deleted."""
        return frozenset(self.files) | frozenset(self.deleted)


def parse(text: bytes) -> dict[bytes, Entry]:
    """Read a listing. The root itself is left out."""
    records = (record.split(b" ", _FIELDS) for record in text.split(_END) if record)
    return {fields[-1][2:]: _entry(fields) for fields in records if fields[-1] != b"."}


def compare(before: Listing, after: Listing) -> Changes:
    """Return what turns the tree of ``before`` into that of ``after``."""
    changed = {path for path, entry in after.items() if path not in before or not before[path].same(entry)}
    gone = {path for path, entry in before.items() if path not in after or _became_other(entry, after[path])}
    directories = {path for path in changed if after[path].is_directory}
    around = {parent for path in changed | gone for parent in parents(path) if parent in after} - changed
    return Changes(
        files=tuple(sorted(changed - directories)),
        directories=tuple((path, after[path]) for path in sorted(directories)),
        around=tuple((path, after[path]) for path in sorted(around)),
        deleted=tuple(sorted(path for path in gone if gone.isdisjoint(parents(path)))),
    )


def clashes(earlier: frozenset[bytes], later: frozenset[bytes]) -> tuple[bytes, ...]:
    """Return the paths that both sides touched, and those that one touched and under which the other did."""
    common = earlier & later
    above = {parent for path in later for parent in parents(path) if parent in earlier}
    below = {parent for path in earlier for parent in parents(path) if parent in later}
    return tuple(sorted(common | above | below))


def parents(path: bytes) -> Iterator[bytes]:
    """Yield the directories around a path, the nearest first; the root is not named."""
    while b"/" in path:
        path = path.rpartition(b"/")[0]
        yield path


def _became_other(before: Entry, after: Entry) -> bool:
    return stat.S_IFMT(before.mode) != stat.S_IFMT(after.mode)


def _entry(fields: list[bytes]) -> Entry:
    mode, size, date, time, zone, uid, gid, modified, _ = fields
    changed = b" ".join((date, time, zone))
    return Entry(
        mode=int(mode, 16), size=int(size), changed=changed, uid=int(uid), gid=int(gid), modified=int(modified)
    )
