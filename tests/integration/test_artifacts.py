"""Files of a workspace that are kept after the run."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner import naming
from runner.backends.docker import artifacts
from runner.backends.docker.helper import ROLE, Helpers
from runner.engine.specs import SourceMode
from runner.errors import UnwantedError, WorkspaceError
from runner.plan.model import Workspace
from tests.support.workspaces import WORKDIR, Bench, bench


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("source")
    (root / "lib").mkdir()
    (root / "lib" / "old.xml").write_text("source\n")
    return root


@pytest.fixture(scope="module")
def run(source: Path) -> Iterator[Bench]:
    with bench(source) as made:
        yield made


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "artifacts"


def always() -> bool:
    return True


def collect(run: Bench, name: str, script: str, patterns: tuple[str, ...], target: Path) -> tuple[str, ...]:
    opened = run.open(name)
    run.step(name, script)
    return run.workspaces.collect(opened, run.run.id, patterns, target, always)


def kept(target: Path) -> dict[str, str]:
    return {str(path.relative_to(target)): path.read_text() for path in target.rglob("*") if path.is_file()}


def test_what_matches_the_end_of_a_path_is_kept_under_its_path(run: Bench, target: Path) -> None:
    script = (
        "mkdir -p a/b/c .hidden/x 'odd name'; echo 1 >a/r.xml; echo 2 >a/b/c/r.xml; echo 3 >.hidden/x/r.xml;"
        "echo 4 >a/.r.xml; echo 5 >'odd name/-rf\n$(x).xml'; echo 6 >a/b/r.txt; ln -s /etc/passwd a/link.xml;"
        "ln -s a/b linked; mkfifo a/pipe.xml; mkdir a/dir.xml; chmod 4751 a/r.xml; touch -d @1500000000 a/r.xml;"
        "ln a/r.xml a/again.xml; echo 7 >a/b/log; echo 8 >log; mkdir linked/deep; echo 9 >linked/deep/r.xml"
    )
    notes = collect(run, "kinds", script, ("*.xml", f"{WORKDIR}/log", "/nowhere/*.xml", "'; touch evil; '"), target)

    assert kept(target) == {
        "a/again.xml": "1\n",
        "a/r.xml": "1\n",
        "a/b/c/r.xml": "2\n",
        "a/b/deep/r.xml": "9\n",
        "lib/old.xml": "source\n",
        "log": "8\n",
        "odd name/-rf\n$(x).xml": "5\n",
    }
    assert notes == ("no file matches /nowhere/*.xml", "no file matches '; touch evil; '")
    status = (target / "a" / "r.xml").stat()
    assert (status.st_mode & 0o7777, status.st_mtime) == (0o751, 1_500_000_000)


def test_a_name_that_is_no_text_is_kept(run: Bench, target: Path) -> None:
    assert collect(run, "raw", "echo raw >\"$(printf 'raw-\\377.bin')\"", ("*.bin",), target) == ()
    assert [path.read_text() for path in target.iterdir()] == ["raw\n"]


def test_what_is_too_large_or_too_much_is_left_out_and_named(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "FILE_BYTES", 5_000_000)
    monkeypatch.setattr(artifacts, "RUN_BYTES", 8_000_000)
    script = "truncate -s 6M big; for n in 1 2 3; do truncate -s 3M n$n; done; truncate -s 100G huge; touch small"
    with bench(source) as run:
        notes = collect(run, "s", script, ("*[0-9]", "big", "huge", "small"), target)

        assert sorted(kept(target)) == ["n1", "n2", "small"]
        assert notes == (
            "big was not kept: it has more than 5 MB",
            "huge was not kept: it has more than 5 MB",
            "n3 was not kept: the artifacts of a run may have 8 MB in all",
        )
        assert collect(run, "again", "truncate -s 3M n1; touch n2", ("n?",), target) == (
            "n1 was not kept: the artifacts of a run may have 8 MB in all",
        )


def test_more_matches_than_can_be_listed_are_cut_and_told(
    run: Bench, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "LISTED_BYTES", 100)
    notes = collect(run, "many", "mkdir many; cd many; touch $(seq 40)", ("many/*",), target)

    count = len(kept(target))
    assert 0 < count < 40
    assert notes == (f"too many files match many/*: only {count} of them were looked at",)


def test_no_link_of_the_target_is_written_through(run: Bench, target: Path, tmp_path: Path) -> None:
    target.mkdir()
    (target / "lib").symlink_to(tmp_path)

    with pytest.raises(WorkspaceError, match="lib: cannot be written"):
        collect(run, "linked", "true", ("*.xml",), target)

    assert not (tmp_path / "old.xml").exists()


def test_a_copy_that_fails_in_the_middle_leaves_no_helper_behind(run: Bench, target: Path) -> None:
    target.mkdir()
    (target / "lib").symlink_to(target)

    with pytest.raises(WorkspaceError, match="lib: cannot be written"):
        collect(run, "half", "truncate -s 20M lib/old.xml", ("*.xml",), target)

    assert run.engine.api.containers(all=True, filters={"label": f"{naming.LABEL_RUN}={run.run.id}"}) == []


def test_a_file_that_turns_into_something_else_meanwhile_is_left_out(
    run: Bench, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = run.open("turning")
    run.step("turning", "mkdir out; for n in 1 2 3 4; do echo $n >out/$n; done")
    give = Helpers.give

    def turn(helpers: Helpers, container: str, inputs: dict[str, bytes]) -> None:
        run.step("turning", "cd out; rm 1 2 3; ln -s /etc/passwd 1; mkfifo 2; mkdir 3; echo more >>4")
        give(helpers, container, inputs)

    monkeypatch.setattr(Helpers, "give", turn)
    begun = time.perf_counter()

    assert run.workspaces.collect(opened, run.run.id, ("out/*",), target, always) == ()
    assert kept(target) == {"out/4": "4\nmore\n"}
    assert time.perf_counter() - begun < 20


class Unwanted:
    """Wanted until a moment has come."""

    def __init__(self, come: Callable[[], bool]) -> None:
        self._come = come
        self.since = 0.0

    def __call__(self) -> bool:
        if not self.since and self._come():
            self.since = time.perf_counter()
        return not self.since


def test_what_nobody_wants_any_more_is_left_at_once_and_leaves_no_part_of_a_file(run: Bench, target: Path) -> None:
    opened = run.open("large")
    run.step("large", "echo first >a; truncate -s 90M b")
    labels = [f"{naming.LABEL_RUN}={run.run.id}", f"{naming.LABEL_ROLE}={ROLE}"]
    moments = (
        lambda: bool(run.engine.api.containers(filters={"label": labels})),
        lambda: any(path.name.startswith(".runner-") for path in target.glob("*")),
    )

    for come in moments:
        unwanted = Unwanted(come)
        with pytest.raises(UnwantedError):
            run.workspaces.collect(opened, run.run.id, ("[ab]",), target, unwanted)
        assert time.perf_counter() - unwanted.since < 5

    assert kept(target) == {"a": "first\n"}
    assert run.engine.api.containers(all=True, filters={"label": f"{naming.LABEL_RUN}={run.run.id}"}) == []


def test_a_stage_without_a_workspace_has_no_artifacts(run: Bench, target: Path) -> None:
    opened = run.open("none", workspace=Workspace.NONE)

    notes = run.workspaces.collect(opened, run.run.id, ("*",), target, always)

    assert notes == ("no artifacts were kept: the stage has no workspace",)
    assert not target.exists()


def test_artifacts_of_a_bound_source_are_kept(source: Path, target: Path) -> None:
    with bench(source, SourceMode.BIND) as run:
        assert collect(run, "s", "true", ("lib/*",), target) == ()
    assert kept(target) == {"lib/old.xml": "source\n"}
