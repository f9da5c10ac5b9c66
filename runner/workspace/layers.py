"""The mount options of copy-on-write trees, as text: an overlay file system over directories of the engine.

The kernel reads these options from one page: it cuts them silently at 4,095 bytes, and a cut ``workdir=`` may even name
a directory that exists. So the text is made, and measured, before anything is created from it.
"""

import re
from collections.abc import Sequence

LIMIT = 4000  # bytes of an option string

# With redirect_dir a directory of a lower layer can be renamed; off are the features that tie a layer to one stack.
_FEATURES = "metacopy=off,index=off,xino=off"
_WRITABLE = f"redirect_dir=on,{_FEATURES}"
_READ_ONLY = f"redirect_dir=follow,{_FEATURES}"


def writable(lowers: Sequence[str], upper: str, work: str) -> str:
    """Return the options of a tree that shows ``lowers``, lowest first, and writes into ``upper``.

    All are directories of the engine; ``work`` is empty and on the file system of ``upper``.
    """
    return f"lowerdir={_stack(lowers)},upperdir={_escape(upper)},workdir={_escape(work)},{_WRITABLE}"


def read_only(lowers: Sequence[str]) -> str:
    """Return the options of a tree that only shows ``lowers``, lowest first; the kernel wants two at least."""
    return f"lowerdir={_stack(lowers)},{_READ_ONLY}"


def lowers_of(options: str) -> tuple[str, ...]:
    """Return the directories, lowest first, that ``writable`` or ``read_only`` was made from; none in other options."""
    found = re.match(r"lowerdir=((?:[^\\,]|\\.)*)", options, re.DOTALL)
    if not found:
        return ()
    paths = re.findall(r"(?:[^\\:]|\\.)+", found[1], re.DOTALL)
    return tuple(re.sub(r"\\(.)", r"\1", path, flags=re.DOTALL) for path in reversed(paths))


def fits(options: str) -> bool:
    """Say whether the kernel will read all of the options."""
    return len(options.encode()) <= LIMIT


def split(lowers: Sequence[str]) -> int:
    """Return how many of the lowest layers fit into one read-only tree, so that a copy of it can take their place."""
    count = len(lowers)
    while count > 1 and not fits(read_only(lowers[:count])):
        count -= 1
    return count


def _stack(lowers: Sequence[str]) -> str:
    return ":".join(_escape(path) for path in reversed(lowers))


def _escape(path: str) -> str:
    return re.sub(r"([\\:,])", r"\\\1", path)
