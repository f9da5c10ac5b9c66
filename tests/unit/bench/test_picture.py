"""The pictures: small, of text that stays text, on a white ground. (matplotlib is there once `make bench` ran.)"""

import re
import sys
from pathlib import Path

import pytest

from tests.bench import results
from tests.bench.command import main
from tests.bench.curves import Grid
from tests.bench.peers import PEERS, Job
from tests.bench.results import Entry, Point, Results, Row, write
from tests.bench.works import WORKS

GRID = Grid()
RESULTS = Results(
    rounds=5,
    cores=2,
    engine="20.10.24",
    load=0.5,
    rows=tuple(
        Row(name=w.name, title=w.title, unit=w.unit, must=w.must, aim=w.aim, ours=(w.must * 0.7,), reference=(1.0,))
        for w in WORKS
    ),
    curves=tuple(
        Point(stages=stages, steps=steps, sleep=sleep, ours=(steps * sleep + 1,), docker=(steps * sleep + steps / 3,))
        for stages in GRID.stages
        for steps in GRID.steps
        for sleep in GRID.sleeps
    ),
    peers=tuple(Entry(job=job, peer=peer.name, seconds=(3.0,)) for job in Job for peer in PEERS),
)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(results, "engine_version", lambda: "20.10.24")
    path = tmp_path / "results.json"
    write(RESULTS, path)
    return path


def text_of(picture: Path) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", picture.read_text())


def test_without_matplotlib_the_reason_says_what_installs_it(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tests.bench.picture", None)
    said: list[str] = []

    assert main(["--from", str(kept), "--picture", str(tmp_path / "a.svg")], said.append) == 1

    assert "make bench" in said[-1]
    assert not (tmp_path / "a.svg").exists()


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--picture", ["10 steps of true", "0.315 of 0.45", "gitlab-ci-local", "limit"]),
        ("--curves", ["8 stages, steps of 0.4 s", "runner", "docker run", "20"]),
    ],
)
def test_a_picture_is_small_has_its_text_as_text_and_a_white_ground(
    kept: Path, tmp_path: Path, option: str, words: list[str]
) -> None:
    picture = tmp_path / "a.svg"

    assert main(["--from", str(kept), option, str(picture)], print) == 0

    assert picture.stat().st_size < 100_000
    assert set(words) <= set(text_of(picture))
    assert "fill: #ffffff" in picture.read_text()


def test_a_picture_of_the_same_results_is_the_same_picture(kept: Path, tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        main(["--from", str(kept), "--picture", str(tmp_path / name)], print)

    assert (tmp_path / "a.svg").read_text() == (tmp_path / "b.svg").read_text()
