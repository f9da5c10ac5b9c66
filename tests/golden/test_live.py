"""What a terminal shows of a run, frame by frame; ``scripts/golden`` rewrites the expected ones."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from rich.cells import cell_len

from tests.support.live import FRAMES, SCENES, frames
from tests.support.picture import picture

EXPECTED = frames()


@pytest.mark.parametrize("path", EXPECTED, ids=lambda path: path.stem)
def test_a_terminal_shows_what_stands_in_the_file(path: Path) -> None:
    assert EXPECTED[path] == path.read_text(encoding="utf-8")


def test_there_is_no_file_without_a_scene() -> None:
    assert sorted(FRAMES.iterdir()) == sorted(EXPECTED)


@pytest.mark.parametrize("path", EXPECTED, ids=lambda path: path.stem)
def test_no_line_is_wider_than_its_terminal(path: Path) -> None:
    width = 0
    for line in EXPECTED[path].splitlines():
        if line.startswith("==="):
            width = int(line.rpartition("(")[2].split(" x ")[0])
        assert line.startswith("===") or cell_len(line) <= width, line


@pytest.mark.parametrize("name", ["groups", "small"])
def test_a_scene_is_the_same_each_time(name: str) -> None:
    assert SCENES[name](80) == SCENES[name](80)


def test_the_picture_is_small_whole_and_fetches_nothing() -> None:
    drawn = picture()

    assert len(drawn.encode()) < 60_000
    assert ET.fromstring(drawn).tag.endswith("svg")
    assert "url(http" not in drawn
    assert drawn == picture()
