import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import ConflictError, InfrastructureError
from runner.naming import Address
from runner.pipelinectl.saved import Saved, Saves
from runner.pipelinectl.values import Store

STAGE = Address("0badcafe", "build")


@pytest.fixture
def saves(tmp_path: Path) -> Saves:
    return Saves(tmp_path / "saved")


def test_what_was_saved_is_read_as_it_was(saves: Saves) -> None:
    values, left = {"e.a": b"x\n\0\xff", "x.a": b""}, {".env": b"A=1\n"}

    saved = Saved(values=values, left=left, returned={"m.abc": b"text\nx\n"})

    saves.write(STAGE, saved)

    assert saves.read(STAGE) == saved


@given(
    values=st.dictionaries(st.from_regex(r"[a-z]\.[A-Za-z0-9_.%~,-]{1,200}", fullmatch=True), st.binary(), max_size=5)
)
def test_any_store_is_read_as_it_was(tmp_path_factory: pytest.TempPathFactory, values: dict[str, bytes]) -> None:
    saves = Saves(tmp_path_factory.mktemp("saved"))

    saves.write(STAGE, Saved(values=values, left=values, returned=values))

    assert saves.read(STAGE) == Saved(values=values, left=values, returned=values)


def test_a_new_run_begins_with_nothing_but_what_every_run_has() -> None:
    assert Saved() == Saved(values={}, left={}, files=None)


def test_each_round_of_each_stage_is_saved_by_itself(saves: Saves) -> None:
    stages = [STAGE, Address("0badcafe", "build", round=2), Address("0badcafe", "a/b"), Address("0badcafe", "build-1")]
    for number, stage in enumerate(stages):
        assert not saves.has(stage)
        saves.write(stage, Saved(values={"e.a": b"%d" % number}))

    assert [saves.read(stage).values["e.a"] for stage in stages] == [b"0", b"1", b"2", b"3"]


def test_large_files_lie_in_an_archive_beside(saves: Saves) -> None:
    def files(target: Path) -> None:
        assert not saves.has(STAGE)
        target.write_bytes(b"an archive")

    saves.write(STAGE, Saved(), files)

    found = saves.read(STAGE).files
    assert found is not None
    assert found.read_bytes() == b"an archive"


def test_nothing_is_there_when_the_large_files_could_not_be_saved(saves: Saves, tmp_path: Path) -> None:
    def files(target: Path) -> None:
        target.write_bytes(b"half an arch")
        raise InfrastructureError("the engine went away")

    with pytest.raises(InfrastructureError):
        saves.write(STAGE, Saved(values={"e.a": b"1\n"}), files)
    assert not saves.has(STAGE)

    saves.refuse(STAGE, "the engine went away")
    assert [path.name for path in (tmp_path / "saved").iterdir()] == ["build-1.tar"]


def test_what_was_never_saved_is_a_conflict(saves: Saves) -> None:
    with pytest.raises(ConflictError, match="run 0badcafe at the start of stage build were not kept"):
        saves.read(STAGE)


def test_what_could_not_be_saved_is_a_conflict_that_says_why(saves: Saves) -> None:
    saves.refuse(STAGE, "they have more than 1 GiB \udcff")

    assert saves.has(STAGE)
    with pytest.raises(ConflictError, match="were not kept: they have more than 1 GiB"):
        saves.read(STAGE)


@pytest.mark.parametrize("content", [b"", b"no archive at all"])
def test_a_damaged_archive_is_an_error_of_ours(saves: Saves, tmp_path: Path, content: bytes) -> None:
    saves.write(STAGE, Saved())
    (tmp_path / "saved" / "build-1.tar").write_bytes(content)

    with pytest.raises(InfrastructureError, match=r"build-1\.tar cannot be read"):
        saves.read(STAGE)


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    saves = Saves(tmp_path / "file" / "saved")

    with pytest.raises(InfrastructureError, match="saved"):
        saves.write(STAGE, Saved())
    with pytest.raises(InfrastructureError, match="saved"):
        saves.refuse(STAGE, "why")


def test_people_can_look_into_it_with_tar(saves: Saves, tmp_path: Path) -> None:
    saves.write(STAGE, Saved(values={"e.a": b"1\n"}, left={".env": b"A=1\n"}, returned={"w.x": b"skip\n"}))

    with tarfile.open(tmp_path / "saved" / "build-1.tar") as archive:
        assert archive.getnames() == ["values/e.a", "outputs/.env", "returns/w.x"]


def test_what_is_there_at_the_end_is_read_as_it_was(saves: Saves, tmp_path: Path) -> None:
    store = Store(contents={"e.a": b"x\n\0\xff"}, sizes={"f.report": 1 << 40}, returned={"m.x": b"text\n\n"})
    assert saves.read_end(Address("0badcafe")) is None

    saves.write_end(Address("0badcafe"), store)

    assert saves.read_end(Address("0badcafe")) == store
    assert not saves.has(STAGE)
    (path,) = (tmp_path / "saved").iterdir()
    path.write_bytes(b"")
    with pytest.raises(InfrastructureError, match="cannot be read"):
        saves.read_end(Address("0badcafe"))
