"""How the user's tree becomes a source: as a layer, copied, sent, or bound; and who may write in it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner.engine.specs import SourceMode
from runner.errors import WorkspaceError
from tests.support.workspaces import DEBIAN, SANDBOX, WAYS, WORKDIR, bench, photos

USER = 1000


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "source"
    (root / "dir").mkdir(parents=True)
    (root / "one").write_text("source one\n")
    (root / "dir" / "tool").write_text("tool\n")
    (root / "dir" / "tool").chmod(0o751)
    (root / "link").symlink_to("one")
    os.link(root / "one", root / "hard")
    os.utime(root / "one", ns=(1_600_000_000_123_456_789,) * 2)
    return root


def owned_by_user(root: Path) -> Path:
    for path in (root, *root.rglob("*")):
        os.chown(path, USER, USER, follow_symlinks=False)
    return root


def test_a_run_without_a_source_has_an_empty_workspace() -> None:
    with bench(None) as run:
        run.open("a")
        assert run.step("a", "find /vela") == "/vela\n/vela/src\n"


def test_home_and_working_directory_can_be_one(source: Path) -> None:
    with bench(source, home=WORKDIR) as run:
        assert [mount["Target"] for mount in run.open("a").mounts] == [WORKDIR]
        assert run.step("a", "cat one") == "source one\n"


@pytest.mark.parametrize("overlays", WAYS)
def test_a_snapshot_does_not_see_later_edits(source: Path, *, overlays: bool) -> None:
    with bench(source, SourceMode.SNAPSHOT, overlays=overlays) as run:
        (source / "one").write_text("edited\n")
        (source / "new").touch()
        run.open("a")

        assert run.step("a", "cat one; stat -c %a dir/tool; readlink link; stat -c %h hard; ls") == (
            "source one\n751\none\n2\ndir\nhard\nlink\none\n"
        )


def test_a_directory_whose_name_the_engine_cannot_take_is_sent_to_it(source: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(source) + b"-\xff"))
    source.rename(odd)
    (odd / os.fsdecode(b"name-\xff\n")).write_text("odd\n")
    before = photos(odd)
    with bench(odd) as run:
        run.open("a")
        show = "cat one name*; stat -c %a dir/tool; readlink link; stat -c %h hard; stat -c %y one"

        assert run.step("a", show) == "source one\nodd\n751\none\n2\n2020-09-13 12:26:40.123456789 +0000\n"
        run.step("a", "rm -r dir; echo x >one")
    assert photos(odd) == before


UNSEEN = """
import sys
from pathlib import Path
from tests.support.workspaces import bench
source = Path(sys.argv[1])
(source / "inside").write_text("of the other namespace\\n")
with bench(source) as run:
    run.open("a")
    print(run.step("a", "cat inside; ls"), end="")
"""


def test_a_directory_that_the_engine_sees_otherwise_is_sent_to_it(source: Path) -> None:
    script = 'mount -t tmpfs none "$1" && exec "$2" -W error -c "$3" "$1"'
    command = ["unshare", "--mount", "sh", "-c", script, "sh", str(source), sys.executable, UNSEEN]

    found = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": "."})

    assert (found.stdout, found.stderr) == ("of the other namespace\ninside\n", "")


def test_a_file_that_is_no_directory_is_refused(source: Path) -> None:
    with pytest.raises(WorkspaceError, match="it is no directory"), bench(source / "one"):
        pass


def test_a_source_that_is_not_there_is_refused(source: Path) -> None:
    with pytest.raises(WorkspaceError, match="No such file"), bench(source / "missing"):
        pass


def test_a_bound_directory_is_shared_by_the_stages_and_new_files_are_its_owners(source: Path) -> None:
    owned_by_user(source)
    os.chown(source / "one", 7, 7)
    with bench(source, SourceMode.BIND) as run:
        run.stage(
            "a", "echo a >made; mkdir -p sub/deep; ln -s nowhere sub/sym; echo a >>one; touch 'a\nb'; echo h >../h"
        )
        run.open("b", ["a"])
        assert run.step("b", "cat made ../h") == "a\nh\n"

        assert (source / "made").stat().st_uid == 0

    owners = {path.name: (path.lstat().st_uid, path.lstat().st_gid) for path in source.rglob("*")}
    assert owners == {**dict.fromkeys(owners, (USER, USER)), "one": (7, 7), "hard": (7, 7)}
    assert {"made", "sub", "deep", "sym", "a\nb"} <= owners.keys()
    assert (source / "one").read_text() == "source one\na\n"


def test_a_bound_directory_of_root_stays_roots(source: Path) -> None:
    with bench(source, SourceMode.BIND) as run:
        run.stage("a", "touch made; chown 5:5 made")

    assert (source / "made").stat().st_uid == 5


@pytest.mark.parametrize("overlays", WAYS)
def test_the_root_of_the_workspace_has_mode_and_owner_of_the_source(source: Path, *, overlays: bool) -> None:
    owned_by_user(source)
    source.chmod(0o750)
    with bench(source, overlays=overlays) as run:
        run.open("a")
        run.open("b", ["a"])

        assert run.step("b", "stat -c '%a %u %g' . ..") == "750 1000 1000\n755 0 0\n"


@pytest.mark.parametrize("overlays", WAYS)
def test_a_user_who_is_not_root_can_write_in_the_workspace(source: Path, *, overlays: bool) -> None:
    with bench(source, overlays=overlays) as run:
        run.open("a", users=("1000:1000", "root"))
        run.step("a", "echo user >mine; echo user >../out", user="1000:1000")
        run.step("a", "touch roots")
        run.open("b", ["a"], users=("1000",))
        run.step("b", "echo more >>mine; echo more >>../out; rm roots", user="1000")

        assert run.step("b", "cat mine ../out; stat -c '%a %u' .") == "user\nmore\nuser\nmore\n777 0\n"


def test_the_owner_of_the_source_needs_no_wider_mode(source: Path) -> None:
    owned_by_user(source)
    with bench(source) as run:
        run.open("a", users=("1000",))
        run.step("a", "echo user >mine", user="1000")

        assert run.step("a", "stat -c '%a %u' .") == "755 1000\n"


def test_an_images_own_user_counts_and_so_does_an_image_that_is_not_there_yet(source: Path) -> None:
    with bench(source) as run:
        run.open("rooted", images=(SANDBOX, DEBIAN))
        run.open("unknown", images=("image-that-is:pulled-later",))

        assert run.step("rooted", "stat -c %a .") == "755\n"
        assert run.step("unknown", "stat -c %a .") == "777\n"
