"""When and where what branches have left is put into the tree of a stage."""

from collections.abc import Sequence
from typing import cast

import pytest

from runner import naming
from runner.backends.docker import gathering
from runner.backends.docker.gathering import Gathering
from runner.backends.docker.ownership import Root
from runner.backends.docker.trees import Left, Plot, Trees
from runner.backends.docker.volumes import Volume, Volumes
from runner.engine.specs import Gathered, StageSpec
from runner.errors import WorkspaceError
from runner.naming import Address
from tests.support.helping import DIRECTORY, FakeHelpers, as_helpers

STAGE = Address("0badcafe", "join")
TREE = Volume(name="tree", path="/v/tree")
PLOT = Plot(run=Address("0badcafe"), kind="w")
ROOT = Root(mode=0o777, uid=5, gid=6)


class KnownVolumes:
    """The volumes of a run, by name."""

    def __init__(self) -> None:
        self.made: dict[str, Volume] = {}

    def of_run(self, run: str) -> dict[str, Volume]:
        assert run == STAGE.run
        return self.made

    def plain(self, name: str, owner: Address) -> Volume:
        assert owner.of_stage() == owner
        return self.made.setdefault(name, Volume(name=name, path=f"/v/{name}"))


class Leaving:
    """Trees in which each stage has left a file, and a directory around it, by its name."""

    def __init__(self) -> None:
        self.looks: list[int] = []

    def unite(self, plot: Plot, branches: Sequence[Sequence[Address]]) -> list[Left]:
        assert plot is PLOT
        self.looks.append(len(branches))
        return [_left(*branch) for branch in branches]


def _left(*stages: Address) -> Left:
    return Left(
        files={f"d/{stage.stage}".encode(): Volume(name=stage.stage, path="/v") for stage in stages},
        directories={b"d": DIRECTORY} if stages else {},
    )


class Stand:
    """A stage before its first step."""

    def __init__(self) -> None:
        self.volumes, self.trees, self.helpers = KnownVolumes(), Leaving(), FakeHelpers()

    def gather(self, *gathered: Gathered, stage: Address = STAGE) -> None:
        made = Gathering(cast("Volumes", self.volumes), as_helpers(self.helpers))
        made.gather(cast("Trees", self.trees), PLOT, StageSpec(address=stage, gathered=gathered), TREE, ROOT)


@pytest.fixture
def stand() -> Stand:
    return Stand()


def branch(path: str, *stages: str) -> Gathered:
    return Gathered(path=path, layers=tuple(Address(STAGE.run, stage) for stage in stages))


def test_all_branches_are_copied_in_one_container_each_from_its_trees_to_its_place(stand: Stand) -> None:
    stand.gather(branch("branches/each/0", "a", "b"), branch("branches/each/1", "a"), branch("branches/each/2"))

    [mounted], [arguments] = stand.helpers.mounted, stand.helpers.arguments
    assert mounted == {"/from0": "a", "/from1": "b", "/to": "tree"}
    assert stand.helpers.read_only == {"a", "b"}
    assert arguments == (
        *("/from0", "branches/each/0", "0"),
        *("/from1", "branches/each/0", "1"),
        *("/from0", "branches/each/1", "2"),
    )
    assert stand.helpers.inputs["1"] == b"./d/b\0"
    assert stand.helpers.inputs["removed"] == b"".join(
        f"./branches/each/{path}\0".encode() for path in ("0/d/a", "0/d/b", "1/d/a")
    )


def test_directories_are_made_outer_ones_first_and_only_those_of_branches_get_owner_and_mode(stand: Stand) -> None:
    stand.gather(branch("branches/each/0", "a"), branch("branches/each/1"))

    names = [b"branches", b"branches/each", b"branches/each/0", b"branches/each/0/d", b"branches/each/1"]
    assert stand.helpers.inputs["directories"] == b"".join(b"./" + name + b"\0" for name in names)
    [members] = stand.helpers.members()
    assert [(each.name, each.mode, each.uid, each.gid) for each in members] == [
        ("branches/each/0", 0o777, 5, 6),
        ("branches/each/0/d", 0o750, 7, 8),
        ("branches/each/1", 0o777, 5, 6),
    ]


def test_it_is_done_once_for_each_round(stand: Stand) -> None:
    for _ in range(2):
        stand.gather(branch("each", "a"))
    assert stand.trees.looks == [1]

    stand.gather(branch("each", "a"), stage=Address(STAGE.run, STAGE.stage, round=2))
    assert stand.trees.looks == [1, 1]
    assert len(stand.volumes.made) == 2


def test_nothing_to_gather_costs_nothing(stand: Stand) -> None:
    stand.gather()

    assert (stand.trees.looks, stand.volumes.made, stand.helpers.mounted) == ([], {}, [])


def test_what_was_cut_off_is_done_again(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(*_: object, **__: object) -> None:
        raise WorkspaceError("no space left")

    with monkeypatch.context() as broken:
        broken.setattr(gathering, "bring", cut)
        with pytest.raises(WorkspaceError):
            stand.gather(branch("each", "a"))
    assert stand.volumes.made == {}

    stand.gather(branch("each", "a"))

    assert stand.trees.looks == [1, 1]
    assert list(stand.volumes.made) == [naming.layer(STAGE, "g")]


def test_a_great_many_branches_are_taken_some_at_a_time(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "_AT_ONCE", 3)

    stand.gather(*(branch(f"each/{number}", f"s{number}") for number in range(7)))

    assert stand.trees.looks == [3, 3, 1]
    assert [set(mounted.values()) for mounted in stand.helpers.mounted] == [
        {"s0", "s1", "s2", "tree"},
        {"s3", "s4", "s5", "tree"},
        {"s6", "tree"},
    ]
