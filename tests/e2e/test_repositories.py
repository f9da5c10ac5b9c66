"""A repository elsewhere: fetched, run, and left for the next run as it was."""

from pathlib import Path

from tests.support.cli import Place
from tests.support.repositories import Repository

PIPELINE = """\
version: "1"
stages:
  spoil:
    steps:
      - name: write
        image: busybox:local
        commands:
          - cat file link/deep
          - cat .git/HEAD
          - rm -r dir .git && echo changed > file && echo new > new
  see:
    needs: [spoil]
    steps:
      - name: look
        image: busybox:local
        commands: [ls -A, cat file]
"""


def test_a_commit_of_a_repository_elsewhere_runs_and_stays_as_it_is(place: Place, tmp_path: Path) -> None:
    upstream = Repository(tmp_path / "upstream")
    upstream.write(".vela.yml", PIPELINE)
    upstream.write("file", "as committed\n")
    upstream.write("dir/deep", "deep\n")
    (upstream.root / "link").symlink_to("dir")
    upstream.git("add", ".")
    upstream.git("commit", "-q", "-m", "all of it")
    commit = upstream.git("rev-parse", "HEAD")

    for _ in range(2):
        done = place.exec(
            *("--repo-url", upstream.root, "--commit", commit, "--branch", "main", "--output", "json"),
            env={"RUNNER_GIT_PROTOCOLS": "file"},
        )

        assert done.code == 0, done.err
        assert done.printed("spoil/write") == ["as committed", "deep", "ref: refs/heads/main"]
        assert done.printed("see/look") == [".vela.yml", "file", "link", "new", "changed"]
    (tree,) = place.state.glob("mirrors/*/trees/1/tree")
    assert (tree / "file").read_text(encoding="ascii") == "as committed\n"
    assert (tree / "dir" / "deep").is_file()
    assert list(place.repo.iterdir()) == []
