from pathlib import Path

import pytest

from runner.engine.specs import Source, SourceMode


@pytest.mark.parametrize("mode", [SourceMode.LAYER, SourceMode.BIND])
def test_a_part_of_a_directory_cannot_be_a_source_without_a_copy(mode: SourceMode) -> None:
    with pytest.raises(ValueError, match=f"must be a snapshot, not {mode}"):
        Source(path=Path("/src"), mode=mode, only=(b"a",))


def test_a_snapshot_may_be_of_some_files_only_or_of_none() -> None:
    assert Source(path=Path("/src"), mode=SourceMode.SNAPSHOT, only=()).only == ()
