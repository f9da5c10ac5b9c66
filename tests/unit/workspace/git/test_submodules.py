from pathlib import Path

import pytest

from runner.errors import WorkspaceError
from runner.workspace.git.spec import Fetched, SourceSpec
from runner.workspace.git.submodules import is_below
from tests.support.fetching import asked, sources
from tests.support.repositories import Repository


@pytest.fixture
def library(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "repositories" / "library")
    repository.commit("lib.sh")
    return repository


@pytest.fixture
def shop(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repositories" / "shop")


def _add(repository: Repository, path: str, url: str, commit: str) -> str:
    """Commit a submodule, as ``git submodule add`` would; return the commit."""
    with (repository.root / ".gitmodules").open("a", encoding="utf-8") as file:
        file.write(f'[submodule "name of {path}"]\n\tpath = {path}\n\turl = {url}\n')
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
    repository.git("add", ".gitmodules")
    repository.git("commit", "-q", "-m", f"submodule {path}")
    return repository.git("rev-parse", "HEAD")


def _head(repository: Repository) -> str:
    return repository.git("rev-parse", "HEAD")


def _fetch(tmp_path: Path, repository: Repository, *, submodules: bool = True) -> Fetched:
    wanted = SourceSpec(url=str(repository.root), ref="main", submodules=submodules)
    with sources(tmp_path / "mirrors").fetched(wanted) as found:
        return found


def test_submodules_are_left_out_unless_asked_for(tmp_path: Path, shop: Repository, library: Repository) -> None:
    _add(shop, "libs/one", "../library", _head(library))

    found = _fetch(tmp_path, shop, submodules=False)

    assert list((found.path / "libs" / "one").iterdir()) == []


@pytest.mark.parametrize("url", ["../library", "./../library", "{root}"])
def test_submodules_come_at_their_commits(tmp_path: Path, shop: Repository, library: Repository, url: str) -> None:
    commit = _head(library)
    library.commit("later")
    _add(shop, "libs/one", url.format(root=library.root), commit)

    found = _fetch(tmp_path, shop)

    assert sorted(path.name for path in (found.path / "libs" / "one").iterdir()) == [".git", "lib.sh"]
    assert asked(found.path / "libs" / "one", "rev-parse", "HEAD") == commit
    assert asked(found.path, "status", "--porcelain") == ""
    assert asked(found.path, "submodule", "status").split()[:2] in ([commit, "libs/one"], [f"-{commit}", "libs/one"])


def test_submodules_have_submodules(tmp_path: Path, shop: Repository, library: Repository) -> None:
    middle = Repository(tmp_path / "repositories" / "middle")
    commit = _add(middle, "inner", "../library", _head(library))
    _add(shop, "outer", "../middle", commit)

    found = _fetch(tmp_path, shop)

    assert (found.path / "outer" / "inner" / "lib.sh").is_file()


def test_a_tree_with_submodules_is_turned_into_one_without(
    tmp_path: Path, shop: Repository, library: Repository
) -> None:
    _add(shop, "libs/one", "../library", _head(library))
    with_them = _fetch(tmp_path, shop)
    shop.git("rm", "-q", "--cached", "libs/one")
    shop.commit("libs/one/file")

    without = _fetch(tmp_path, shop)

    assert without.path == with_them.path
    assert sorted(path.name for path in (without.path / "libs" / "one").iterdir()) == ["file"]


def test_a_repository_that_holds_itself_ends(tmp_path: Path, shop: Repository) -> None:
    shop.commit("file")
    _add(shop, "self", "../shop", _head(shop))
    for _ in range(9):
        shop.git("update-index", "--cacheinfo", f"160000,{_head(shop)},self")
        shop.git("commit", "-q", "-m", "deeper")

    with pytest.raises(WorkspaceError, match="submodule self: lies where no submodule can lie"):
        _fetch(tmp_path, shop)


def test_one_that_git_does_not_know_of_is_an_empty_directory(
    tmp_path: Path, shop: Repository, library: Repository
) -> None:
    shop.git("update-index", "--add", "--cacheinfo", f"160000,{_head(library)},one")
    shop.git("commit", "-q", "-m", "no .gitmodules")
    assert list((_fetch(tmp_path, shop).path / "one").iterdir()) == []

    _add(shop, "two", "../library", _head(library))
    found = _fetch(tmp_path, shop)

    assert list((found.path / "one").iterdir()) == []
    assert (found.path / "two" / "lib.sh").is_file()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ext::sh -c touch% {evil}", r"ext::sh -c touch% \S+: the protocol ext is not allowed"),
        ("--upload-pack=touch {evil}", "not the address of a repository"),
        ("-u", "not the address of a repository"),
        ("ssh://-oProxyCommand=x/r", "not the address of a repository"),
        ("https://ada:hunter2@example.org/r", "https://example.org/r: the protocol https is not allowed"),
        ("../../../../../../../../../r", "leads out of file:///"),
        ("../none", r"file:///\S+/none: commit \w+ cannot be fetched: .*not appear to be a git repository"),
    ],
)
def test_an_address_that_is_not_allowed_is_refused_with_its_submodule(
    tmp_path: Path, shop: Repository, library: Repository, url: str, message: str
) -> None:
    _add(shop, "libs/one", url.format(evil=tmp_path / "evil"), _head(library))

    with pytest.raises(WorkspaceError, match=rf"^file://{shop.root}: submodule libs/one: .*{message}") as caught:
        _fetch(tmp_path, shop)

    assert "hunter2" not in caught.value.explained
    assert not (tmp_path / "evil").exists()


def test_a_commit_that_a_submodule_does_not_have_is_named(
    tmp_path: Path, shop: Repository, library: Repository
) -> None:
    _add(shop, "libs/one", "../library", "1" * 40)
    library.commit("more")

    with pytest.raises(WorkspaceError, match=f"submodule libs/one: file://{library.root}: commit {'1' * 40} was not"):
        _fetch(tmp_path, shop)


@pytest.mark.parametrize(
    ("path", "below"),
    [("dir", True), ("dir/inner", True), ("link", False), ("link/inner", False), ("dir/..", False), ("", False)],
)
def test_a_submodule_lies_behind_no_link(tmp_path: Path, path: str, *, below: bool) -> None:
    (tmp_path / "dir" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to("dir")

    assert is_below(tmp_path, path) == below
