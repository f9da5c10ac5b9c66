"""What the local git says of a directory: why a run of it would happen if a server ran it."""

import os.path
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from runner.errors import UsageError
from runner.records import record

if TYPE_CHECKING:
    import git

    from runner.workspace.addresses import Remote

_HASH = re.compile(r"[0-9a-f]{7,64}")
_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_USUAL_BRANCHES = ("main", "master")


@record
class Checkout:
    """A directory as git sees it; without git, or before the first commit, what git would tell is empty.

    ``root`` is the top of the repository, or the directory itself. ``changed`` are the paths, from ``root``, of the
    last commit and of the working tree, untracked files included. ``tags`` point to the commit, the highest version
    first. ``repo``, ``clone`` and ``link`` tell of the first remote, without what is secret in its address.
    """

    root: Path
    branch: str = ""
    commit: str = ""
    parent: str = ""
    message: str = ""
    author: str = ""
    email: str = ""
    tags: tuple[str, ...] = ()
    default_branch: str = ""
    repo: str = ""
    clone: str = ""
    link: str = ""
    changed: tuple[str, ...] = ()


def checkout(directory: Path) -> Checkout:
    """Look at the repository that a directory belongs to.

    Raises:
        UsageError: git refuses to look at it, or finds it damaged.
    """
    directory = directory.absolute()
    outside = Checkout(root=directory, repo=directory.name)
    if not _inside(directory):
        return outside
    try:
        import configparser  # noqa: PLC0415 - as git, whose errors these are

        import git  # noqa: PLC0415 - it takes long, and cannot be imported where there is no git command
    except ImportError:
        return outside
    try:
        with git.Repo(directory, search_parent_directories=True) as repository:
            return outside if repository.working_tree_dir is None else _look(repository)
    except (git.InvalidGitRepositoryError, git.NoSuchPathError):
        return outside
    except (git.GitCommandError, configparser.Error) as error:
        said = refusal(error) if isinstance(error, git.GitCommandError) else error
        raise UsageError(f"{directory}: git does not say what stands there: {said}") from error


def has_commit(directory: str, commit: str) -> bool:
    """Whether a directory is the top of a repository in which there is this commit."""
    try:
        import git  # noqa: PLC0415 - as above
    except ImportError:
        return False
    if not _HASH.fullmatch(commit):
        return False
    try:
        with git.Repo(directory) as repository:
            repository.git.cat_file("-e", f"{commit}^{{commit}}")
    except (git.InvalidGitRepositoryError, git.NoSuchPathError, git.GitCommandError):
        return False
    return True


def is_dirty(directory: Path) -> bool:
    """Whether a directory is a checkout with changes, or files, that its commit does not have."""
    try:
        import git  # noqa: PLC0415 - as above
    except ImportError:
        return False
    try:
        with git.Repo(directory) as repository:
            return repository.is_dirty(untracked_files=True)
    except (git.InvalidGitRepositoryError, git.NoSuchPathError, git.GitCommandError):
        return False


def refusal(error: "git.GitCommandError") -> str:
    """Return what git wrote when it failed, without what GitPython writes around it."""
    return error.stderr.strip().removeprefix("stderr: ").strip("'")


def _inside(directory: Path) -> bool:
    """Whether a directory may belong to a repository: there is one around it, or it is what git keeps of one."""
    places = (directory, *directory.parents)
    return any(os.path.exists(folder / name) for folder in places for name in (".git", "HEAD"))  # noqa: PTH110 - no errors


def _look(repository: "git.Repo") -> Checkout:
    root = Path(repository.working_dir)
    branch, remote = _branch(repository), _remote(repository)
    found = Checkout(
        root=root,
        branch=branch,
        default_branch=_default_branch(repository) or branch,
        repo=remote.name or root.name,
        clone=remote.clone,
        link=remote.link,
    )
    if not repository.head.is_valid():
        repository.git.rev_parse("--git-dir")  # raises unless that is so because nothing has been committed
        return found
    commit = repository.head.commit
    return replace(
        found,
        commit=commit.hexsha,
        parent=commit.parents[0].hexsha if commit.parents else "",
        message=_text(commit.message).strip(),
        author=commit.author.name or "",
        email=commit.author.email or "",
        tags=tuple(_printable(repository.git.tag("--points-at", "HEAD", "--sort=-version:refname")).split()),
        changed=tuple(sorted(set(_changed(repository)))),
    )


def _branch(repository: "git.Repo") -> str:
    return "" if repository.head.is_detached else repository.active_branch.name


def _default_branch(repository: "git.Repo") -> str:
    """Return the branch that the first remote calls its own, else a usual one that exists; empty if none does."""
    import git  # noqa: PLC0415 - as above

    first = next(iter(repository.remotes), None)
    if first is not None:
        head = git.RemoteReference(repository, f"refs/remotes/{first.name}/HEAD")
        if head.is_valid() and not head.is_detached:
            return head.reference.path.removeprefix(f"refs/remotes/{first.name}/")
    return next((name for name in _USUAL_BRANCHES if git.Head(repository, f"refs/heads/{name}").is_valid()), "")


def _remote(repository: "git.Repo") -> "Remote":
    from runner.workspace.addresses import read_address  # noqa: PLC0415 - as above

    # A remote without an address has its name for one.
    addresses = (url for remote in repository.remotes for url in remote.urls if url != remote.name)
    return read_address(next(addresses, ""))


def _changed(repository: "git.Repo") -> Iterator[str]:
    # In a shallow clone the parent is not there; then the commit counts as the first, as for git itself.
    before = repository.git.rev_parse("HEAD^", verify=True, quiet=True, with_exceptions=False) or _EMPTY_TREE
    yield from _paths(repository.git.diff(before, "--name-only", "-z", "--no-renames"))
    yield from _paths(repository.git.ls_files("-z", "--others", "--exclude-standard"))


def _paths(listing: str) -> list[str]:
    return [path for path in _printable(listing).split("\0") if path]


def _printable(listing: str) -> str:
    # GitPython spells bytes that are not UTF-8 as surrogate escapes, which nothing else can print or write.
    return _text(listing.encode("utf-8", "surrogateescape"))


def _text(message: str | bytes) -> str:
    return message if isinstance(message, str) else message.decode("utf-8", "replace")
