"""What a server says of the names in its repository."""

import re

from runner.records import record
from runner.workspace.git.process import Git
from runner.workspace.git.spec import HEADS, TAGS, is_ref
from runner.workspace.git.trouble import Cause, GitError

_LINE = re.compile(r"(?:(?P<hash>[0-9a-f]{40})|ref: (?P<target>\S+))\t(?P<name>\S+)")
_PEELED = "^{}"


@record
class Advertised:
    """A name of a repository: ``object`` is the hash it has, ``default`` the branch that the repository calls its own.

    That hash is a commit's, or with ``peeled`` that of an annotated tag of the commit ``peeled``.
    """

    name: str = ""
    object: str = ""
    peeled: str = ""
    default: str = ""


def look_up(git: Git, url: str, ref: str) -> Advertised:
    """Ask the server for a branch, else a tag, or a whole name; for its own branch if ``ref`` is empty.

    Raises:
        GitError: it does not answer, or has no such name.
    """
    names = (ref,) if ref.startswith("refs/") else (HEADS + ref, TAGS + ref) if ref else ()
    patterns = [pattern for name in names for pattern in (name, name + _PEELED)]
    text = git("ls-remote", "--symref", "--", url, "HEAD", *patterns, network=True)
    lines = [found for line in text.splitlines() if (found := _LINE.fullmatch(line))]
    hashes = {found["name"]: found["hash"] for found in lines if found["hash"]}
    targets = (found["target"] for found in lines if found["target"] and found["name"] == "HEAD")
    default = next((target for target in targets if target.startswith(HEADS) and is_ref(target)), "")
    for name in names or ("HEAD",):
        if name in hashes:
            whole = default or name if name == "HEAD" else name
            return Advertised(name=whole, object=hashes[name], peeled=hashes.get(name + _PEELED, ""), default=default)
    raise GitError(Cause.UNKNOWN, f"there is no {' nor '.join(names)}" if names else "it is empty")
