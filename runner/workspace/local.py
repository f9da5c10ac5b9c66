"""What the local git says of a directory: why a run of it would happen if a server ran it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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
    """Look at the repository that a directory belongs to."""
    directory = directory.absolute()
    try:
        repository = git.Repo(directory, search_parent_directories=True)
    except (git.InvalidGitRepositoryError, git.NoSuchPathError):
        return Checkout(root=directory, repo=directory.name)
    with repository:
        if repository.working_tree_dir is None:
            return Checkout(root=directory, repo=directory.name)
        root = Path(repository.working_tree_dir)
        if not repository.head.is_valid():
            return Checkout(root=root, branch=_branch(repository), repo=_name(repository, root))
        commit = repository.head.commit
        return Checkout(
            root=root,
            branch=_branch(repository),
            commit=commit.hexsha,
            message=_text(commit.message).strip(),
            author=commit.author.name or "",
            repo=_name(repository, root),
            changed=tuple(sorted(set(_changed(repository, commit)))),
        )


def _branch(repository: git.Repo) -> str:
    return "" if repository.head.is_detached else repository.active_branch.name


def _name(repository: git.Repo, root: Path) -> str:
    """Return ``org/name`` as the address of the first remote has it, else the name of the directory."""
    addresses = [url for remote in repository.remotes for url in remote.urls]
    if not addresses:
        return root.name
    parts = addresses[0].removesuffix("/").removesuffix(".git").replace(":", "/").split("/")
    return "/".join(parts[-2:])


def _changed(repository: git.Repo, commit: git.Commit) -> Iterator[str]:
    before = commit.parents[0].hexsha if commit.parents else _EMPTY_TREE
    yield from _paths(repository.git.diff(before, "--name-only", "-z", "--no-renames"))
    yield from _paths(repository.git.ls_files("-z", "--others", "--exclude-standard"))


def _paths(listing: str) -> list[str]:
    return [path for path in listing.split("\0") if path]


def _text(message: str | bytes) -> str:
    return message if isinstance(message, str) else message.decode("utf-8", "replace")
