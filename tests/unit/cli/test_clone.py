import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.backends.fake import FakeBackend
from runner.backends.standing import World
from runner.cli import app
from runner.dispatch import place
from runner.engine.specs import RunSpec, SourceMode
from tests.support.local import FakeSweep, placing
from tests.support.repositories import Repository

PIPELINE = """
version: "1"
steps:
  - {name: %s, image: i, pull: never, commands: [x], environment: {FAKE_PRINT: "hello ${VELA_BUILD_BRANCH}"}}
"""

Exec = Callable[..., int]


class _Watched(FakeBackend):
    """A fake that remembers what runs stand on."""

    def __init__(self) -> None:
        super().__init__(World(scale=0.02))
        self.specs: list[RunSpec] = []

    def open_run(self, run: RunSpec) -> tuple[str, ...]:
        self.specs.append(run)
        return super().open_run(run)


@pytest.fixture
def backend() -> _Watched:
    return _Watched()


@pytest.fixture
def upstream(tmp_path: Path) -> Repository:
    """A repository elsewhere, in which the only step has the name of the commit."""
    repository = Repository(tmp_path / "upstream" / "shop")
    for name in ("first", "second"):
        _commit(repository, name)
    return repository


@pytest.fixture
def run(tmp_path: Path, backend: _Watched, monkeypatch: pytest.MonkeyPatch) -> Exec:
    """Return ``runner exec``, called in a directory without a pipeline; its argument is the repository."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("RUNNER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("RUNNER_GIT_PROTOCOLS", "file http")
    monkeypatch.setattr(place, "local", placing(tmp_path / "state", backend))
    FakeSweep().install(monkeypatch)

    def call(url: Path | str, *arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["runner", "exec", "--repo-url", str(url), *arguments])
        return app.run()

    return call


def _commit(repository: Repository, name: str, file: str = ".vela.yml") -> str:
    repository.write(file, PIPELINE % name)
    repository.git("add", ".")
    repository.git("commit", "-q", "-m", name)
    return repository.git("rev-parse", "HEAD")


def test_a_repository_elsewhere_runs_as_it_stands_there(
    run: Exec, upstream: Repository, backend: _Watched, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(upstream.root) == 0

    first, second, *lines = capfd.readouterr().out.splitlines()
    assert first == f"fetched file://{upstream.root} at {upstream.git('rev-parse', 'HEAD')[:8]}"
    assert ".vela.yml: event push, branch main, " in second
    assert second.endswith(", upstream/shop, 1 changed path")
    assert "steps/second | hello main" in lines
    (spec,) = backend.specs
    assert spec.source is not None
    assert spec.source.mode is SourceMode.LAYER
    assert spec.source.path.is_relative_to(tmp_path / "state" / "mirrors")
    assert list((tmp_path / "here").iterdir()) == []


def test_a_commit_runs_its_own_pipeline(run: Exec, upstream: Repository, capfd: pytest.CaptureFixture[str]) -> None:
    commit = upstream.git("rev-parse", "HEAD~1")

    for given in ((commit,), (commit[:7],), (commit, "--branch", "release")):
        assert run(upstream.root, "--commit", *given) == 0
        out = capfd.readouterr().out
        assert "steps/first: success" in out
        assert ("branch release" in out) == ("release" in given)


@pytest.mark.parametrize(
    ("arguments", "step"),
    [
        (("--branch", "other"), "third"),
        (("--tag", "v1"), "first"),
        (("--event", "tag", "--tag", "v1"), "first"),
        (("--event", "pull_request", "--tag", "refs/pull/7/head"), "third"),
    ],
)
def test_without_a_commit_the_facts_name_it(
    run: Exec, upstream: Repository, arguments: tuple[str, ...], step: str, capfd: pytest.CaptureFixture[str]
) -> None:
    upstream.git("tag", "v1", "HEAD~1")
    upstream.git("checkout", "-q", "-b", "other")
    upstream.git("update-ref", "refs/pull/7/head", _commit(upstream, "third"))
    upstream.git("checkout", "-q", "main")

    assert run(upstream.root, *arguments) == 0

    assert f"steps/{step}: success" in capfd.readouterr().out


def test_a_pipeline_is_named_by_its_path_in_the_repository(
    run: Exec, upstream: Repository, capfd: pytest.CaptureFixture[str]
) -> None:
    _commit(upstream, "deep", "ci/deep.yml")

    assert run(upstream.root, "ci/deep.yml") == 0

    assert "steps/deep: success" in capfd.readouterr().out


@pytest.mark.parametrize("path", ["../../../../../../here/mine.yml", "{here}/mine.yml", "link.yml", "dir/mine.yml"])
def test_no_pipeline_of_this_machine_is_taken_for_one_of_the_repository(
    run: Exec, upstream: Repository, tmp_path: Path, path: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "here" / "mine.yml").write_text(PIPELINE % "mine", encoding="utf-8")
    (upstream.root / "link.yml").symlink_to(tmp_path / "here" / "mine.yml")
    (upstream.root / "dir").symlink_to(tmp_path / "here")
    _commit(upstream, "links")

    assert run(upstream.root, path.format(here=tmp_path / "here")) == 2

    assert "is not in the repository" in capfd.readouterr().err


def test_a_usual_name_that_is_a_link_elsewhere_is_not_followed(
    run: Exec, upstream: Repository, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "here" / "mine.yml").write_text(PIPELINE % "mine", encoding="utf-8")
    (upstream.root / ".vela.yml").unlink()
    (upstream.root / ".vela.yml").symlink_to(tmp_path / "here" / "mine.yml")
    upstream.git("add", ".")
    upstream.git("commit", "-q", "-m", "a link")

    assert run(upstream.root) == 2

    assert ".vela.yml: is not in the repository" in capfd.readouterr().err


def test_a_repository_without_a_pipeline_says_so(run: Exec, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    empty = Repository(tmp_path / "empty")
    empty.commit("file")

    assert run(empty.root) == 2

    assert "there is no pipeline in " in capfd.readouterr().err


def test_what_cannot_be_fetched_is_the_machines_trouble(
    run: Exec, upstream: Repository, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(upstream.root, "--branch", "none") == 3

    err = capfd.readouterr().err
    assert err.startswith(f"runner: file://{upstream.root}: none was not found: there is no refs/heads/none")
    assert "was it pushed" in err


@pytest.mark.parametrize(
    ("url", "arguments", "message"),
    [
        ("ext::sh -c x", (), "the protocol ext is not allowed"),
        ("--upload-pack=x", (), "not the address of a repository"),
        ("https://ada:hunter2@h/r", (), "the protocol https is not allowed"),
        ("/r", ("--commit", "-x"), "'-x': not a commit"),
        ("/r", ("--branch", "-x"), "'-x': not a branch or tag"),
        ("/r", ("--source", "."), "--repo-url goes with neither --source nor --bind"),
        ("/r", ("--bind",), "--repo-url goes with neither --source nor --bind"),
        ("", ("--commit", "0123456"), "--commit goes with --repo-url only"),
        ("", ("--submodules",), "--submodules goes with --repo-url only"),
    ],
)
def test_what_makes_no_sense_is_bad_usage(
    run: Exec, url: str, arguments: tuple[str, ...], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(url, *arguments) == 2

    err = capfd.readouterr().err
    assert message in err
    assert "hunter2" not in err
    assert not Path(os.environ["RUNNER_STATE_DIR"], "mirrors").exists()


def test_submodules_come_if_they_are_asked_for(
    run: Exec, upstream: Repository, backend: _Watched, tmp_path: Path
) -> None:
    library = Repository(tmp_path / "upstream" / "library")
    upstream.write(".gitmodules", '[submodule "x"]\n\tpath = x\n\turl = ../library\n')
    upstream.git("add", ".")
    upstream.git("update-index", "--add", "--cacheinfo", f"160000,{library.commit('lib.sh')},x")
    upstream.git("commit", "-q", "-m", "a submodule")

    assert run(upstream.root) == 0
    assert run(upstream.root, "--submodules") == 0

    without, with_it = (spec.source.path for spec in backend.specs if spec.source)
    assert (with_it / "x" / "lib.sh").is_file()
    assert without == with_it  # the tree of the first, which nobody used any more


def test_the_defaults_of_this_directory_are_not_those_of_another_repository(
    run: Exec, upstream: Repository, tmp_path: Path
) -> None:
    (tmp_path / "here" / ".runner.toml").write_text('[exec]\nstage = ["none"]\n', encoding="utf-8")

    assert run(upstream.root) == 0


@pytest.mark.parametrize("key", ["repo-url", "commit", "submodules"])
def test_a_repository_may_not_name_another_one(
    run: Exec, tmp_path: Path, key: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "here" / ".runner.toml").write_text(f'[exec]\n{key} = "x"\n', encoding="utf-8")

    assert run("") == 2

    assert f"{key}: a repository may not say this" in capfd.readouterr().err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_fetching(run: Exec, number: int, code: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        threading.Timer(0.5, os.kill, (os.getpid(), number)).start()
        assert run(f"http://127.0.0.1:{deaf.getsockname()[1]}/r") == code
