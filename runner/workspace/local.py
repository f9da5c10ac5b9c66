"""What the local git says of a directory: why a run of it would happen if a server ran it."""

import configparser
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runner.errors import UsageError

if TYPE_CHECKING:
    import git

_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A directory as git sees it; without git, or before the first commit, what git would tell is empty.

    ``root`` is the top of the repository, or the directory itself. ``changed`` are the paths, from ``root``, of the
    last commit and of the working tree, untracked files included.
    """

    root: Path
    branch: str = ""
    commit: str = ""
    message: str = ""
    author: str = ""
    repo: str = ""
    changed: tuple[str, ...] = ()


def checkout(directory: Path) -> Checkout:
    """Look at the repository that a directory belongs to.

    Raises:
        UsageError: git refuses to look at it, or finds it damaged.
    """
    directory = directory.absolute()
    outside = Checkout(root=directory, repo=directory.name)
    try:
        import git  # noqa: PLC0415 - it cannot be imported where there is no git command
    except ImportError:
        return outside
    try:
        with git.Repo(directory, search_parent_directories=True) as repository:
            return outside if repository.working_tree_dir is None else _look(repository)
    except (git.InvalidGitRepositoryError, git.NoSuchPathError):
        return outside
    except (git.GitCommandError, configparser.Error) as error:
        said = error.stderr.strip().removeprefix("stderr: ").strip("'") if isinstance(error, git.GitError) else error
        raise UsageError(f"{directory}: git does not say what stands there: {said}") from error


def _look(repository: "git.Repo") -> Checkout:
    root = Path(repository.working_dir)
    branch, name = _branch(repository), _name(repository, root)
    if not repository.head.is_valid():
        repository.git.rev_parse("--git-dir")  # raises unless that is so because nothing has been committed
        return Checkout(root=root, branch=branch, repo=name)
    commit = repository.head.commit
    return Checkout(
        root=root,
        branch=branch,
        commit=commit.hexsha,
        message=_text(commit.message).strip(),
        author=commit.author.name or "",
        repo=name,
        changed=tuple(sorted(set(_changed(repository)))),
    )


def _branch(repository: "git.Repo") -> str:
    return "" if repository.head.is_detached else repository.active_branch.name


def _name(repository: "git.Repo", root: Path) -> str:
    """Return ``org/name`` as the address of the first remote has it, else the name of the directory."""
    # A remote without an address has its name for one.
    addresses = (url for remote in repository.remotes for url in remote.urls if url != remote.name)
    return _repo(next(addresses, "")) or root.name


def _repo(address: str) -> str:
    """Return the last two parts of an address's path; what stands before it may hold a password."""
    scheme, _, rest = address.rpartition("://")
    rest = (re.split("[?#]", rest)[0] if scheme else rest).rpartition("@")[2]
    if scheme:
        path = rest.partition("/")[2]
    else:
        host, _, below = rest.partition(":")
        path = below if below and "/" not in host else rest
    parts = [part for part in path.removesuffix("/").removesuffix(".git").split("/") if part not in ("", ".", "..")]
    return "/".join(parts[-2:])


def _changed(repository: "git.Repo") -> Iterator[str]:
    # In a shallow clone the parent is not there; then the commit counts as the first, as for git itself.
    before = repository.git.rev_parse("HEAD^", verify=True, quiet=True, with_exceptions=False) or _EMPTY_TREE
    yield from _paths(repository.git.diff(before, "--name-only", "-z", "--no-renames"))
    yield from _paths(repository.git.ls_files("-z", "--others", "--exclude-standard"))


def _paths(listing: str) -> list[str]:
    # GitPython spells bytes that are not UTF-8 as surrogate escapes, which nothing else can print or write.
    return [path for path in _text(listing.encode("utf-8", "surrogateescape")).split("\0") if path]


def _text(message: str | bytes) -> str:
    return message if isinstance(message, str) else message.decode("utf-8", "replace")
