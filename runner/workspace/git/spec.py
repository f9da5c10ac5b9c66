"""What of a repository is wanted, and what came of it."""

import re
from pathlib import Path

from runner.errors import UsageError, quoted
from runner.records import record

HEADS = "refs/heads/"
TAGS = "refs/tags/"

_SHA = 40
_COMMIT = re.compile(rf"[0-9a-f]{{7,{_SHA}}}")
_REF = re.compile(
    r"(?![-/])"  # no option, and no empty component
    r"(?!.*(?:\.\.|//|@\{|/\.|\.lock(?:/|$)))"
    r"(?!\.)[^\x00-\x20\x7f~^:?*\[\\]+"
    r"(?<![/.])"
)


def is_ref(name: str) -> bool:
    """Say whether something can be the name of a branch or tag, short or whole, as ``git check-ref-format`` has it."""
    return name != "@" and _REF.fullmatch(name) is not None


@record
class SourceSpec:
    """What is wanted of a repository.

    ``commit`` is a hash, whole or its first seven digits at least; without one it is that of ``ref``. ``ref`` is a
    branch, else a tag, or a whole name such as ``refs/pull/12/head``; without one, the branch that the repository
    itself calls its own. Beside a whole hash, ``ref`` says under which name the commit is known, and where to look for
    it on servers that give no single commits.

    The tree has its commit and the parents of that, unless ``history`` asks for all of them. ``submodules`` are left
    out unless asked for, as empty directories: their addresses are the repository's choice.

    Raises:
        UsageError: commit or ref are none.
    """

    url: str
    commit: str = ""
    ref: str = ""
    history: bool = False
    submodules: bool = False

    def __post_init__(self) -> None:
        if self.commit and not _COMMIT.fullmatch(self.commit):
            raise UsageError(f"{quoted(self.commit)}: not a commit", hint="write its hash, at least seven digits of it")
        if self.ref and not is_ref(self.ref):
            raise UsageError(f"{quoted(self.ref)}: not a branch or tag", hint="for example main or refs/pull/12/head")

    @property
    def exact(self) -> bool:
        """Whether the commit is told by its whole hash."""
        return len(self.commit) == _SHA

    @property
    def name(self) -> str:
        """The whole name of ``ref`` as far as it can be told without asking the server; a short one is a branch."""
        return self.ref if not self.ref or self.ref.startswith("refs/") else HEADS + self.ref

    @property
    def goal(self) -> str:
        """What is wanted, for messages."""
        if self.commit:
            return f"commit {self.commit}"
        return self.ref or "its default branch"


@record
class Found:
    """A commit of a repository: ``ref`` is the whole name it was found under, if any.

    ``tag`` is the hash of the object of an annotated tag, ``default`` the name of the branch that the repository calls
    its own, as far as the server was asked. ``whole`` says whether all history is there.
    """

    commit: str
    ref: str = ""
    tag: str = ""
    default: str = ""
    whole: bool = False


@record
class Fetched:
    """A source that is there: the directory ``path``, which nobody may write to, and what stands in it.

    ``ref`` and ``default`` are as in ``Found``; ``url`` is the address without a login.
    """

    path: Path
    commit: str
    ref: str
    default: str
    url: str
