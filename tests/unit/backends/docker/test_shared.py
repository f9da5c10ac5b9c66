import threading
from typing import Any, cast

import pytest

from runner import naming
from runner.backends.docker import shared
from runner.backends.docker.helper import Helpers
from runner.backends.docker.ownership import Root
from runner.backends.docker.shared import Shared, arranged, settled
from runner.backends.docker.sources import Base
from runner.backends.docker.trees import Plot
from runner.backends.docker.volumes import Volume, Volumes
from runner.engine.specs import StageSpec
from runner.naming import Address

RUN = "0badcafe"
TREE = Address(RUN, naming.SHARED)


def at(name: str) -> Address:
    return Address(RUN, name)


A, B, C, X, Y = map(at, "ABCXY")


def test_without_shared_stages_nothing_is_arranged() -> None:
    order = arranged((X, Y), ((X, Y),), frozenset(), TREE)

    assert (order.layers, order.beside) == ((X, Y), ((X, Y),))


def test_one_layer_takes_the_place_of_the_first_shared_stage() -> None:
    assert arranged((X, A, Y, B), (), frozenset({A, B}), TREE).layers == (X, TREE, Y)


def test_a_stage_beside_all_shared_ones_lies_beside_their_tree() -> None:
    order = arranged((X, A, B), ((X, A), (X, B), (A, B)), frozenset({A, B}), TREE)

    assert (order.layers, order.beside) == ((X, TREE), ((X, TREE),))


def test_a_stage_between_shared_ones_that_needs_none_of_them_is_above_their_tree() -> None:
    order = arranged((A, X, B), ((A, X), (X, B)), frozenset({A, B}), TREE)

    assert (order.layers, order.beside) == ((TREE, X), ((TREE, X),))


def test_a_stage_that_stands_on_a_shared_one_is_not_beside_the_tree() -> None:
    order = arranged((A, X, B), ((X, B),), frozenset({A, B}), TREE)

    assert (order.layers, order.beside) == ((TREE, X), ())


@pytest.mark.parametrize(
    ("layers", "beside", "expected"),
    [
        ((A, X, B), (), (TREE, X)),
        ((X, B), (), (X, TREE)),
        ((A, X, B), ((A, X),), (TREE, X)),
        ((A, X, B, C), ((X, B),), (TREE, X)),
    ],
    ids=["between two", "below the tree", "needed only", "beside another"],
)
def test_a_stage_that_a_shared_one_needs_lies_beside_the_tree_that_does_not_see_it(
    layers: tuple[Address, ...], beside: tuple[tuple[Address, Address], ...], expected: tuple[Address, Address]
) -> None:
    assert arranged(layers, beside, frozenset({A, B, C}) & {*layers}, TREE).beside == (expected,)


def test_what_the_tree_sees_because_it_is_below_all_stages_is_not_beside_it() -> None:
    origins = at(naming.ORIGINS)

    order = arranged((origins, A, X, B), ((X, B),), frozenset({A, B}), TREE)

    assert (order.layers, order.beside) == ((origins, TREE, X), ())


def test_stages_of_their_own_stay_beside_each_other() -> None:
    assert arranged((X, A, Y), ((X, Y), (X, A)), frozenset({A}), TREE).beside == ((X, Y), (X, TREE))


class RecordingVolumes:
    """Notes what is made."""

    def __init__(self) -> None:
        self.made: list[tuple[str, Address]] = []

    def plain(self, name: str, owner: Address) -> Volume:
        self.made.append((name, owner))
        return Volume(name=name, path=f"/v/{name}")


def tree_of(volumes: RecordingVolumes, *known: str) -> Shared:
    return Shared(cast("Volumes", volumes), Address(RUN), known)


def test_a_stage_that_joined_is_known_as_one_of_the_shared_tree_and_written_down_once() -> None:
    volumes = RecordingVolumes()
    tree = tree_of(volumes)
    tree.join(A)
    tree.join(A)

    assert tree.among((A, X)) == {A}
    assert [owner for _, owner in volumes.made] == [A]


def test_another_process_knows_a_stage_by_its_volume() -> None:
    first = RecordingVolumes()
    tree_of(first).join(A)

    again = tree_of(RecordingVolumes(), *(name for name, _ in first.made))

    assert again.among((A, B)) == {A}


def test_each_stage_has_a_frozen_copy_of_its_own_for_each_of_its_rounds() -> None:
    tree = tree_of(RecordingVolumes())
    rounds = (Address(RUN, "A"), Address(RUN, "A", round=2), Address(RUN, "B"))

    names = {naming.layer(tree.frozen_for(stage), "h") for stage in rounds}

    assert len(names) == 3
    assert naming.layer(tree.tree, "h") not in names


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[list[tuple[str, Root]]]:
    """Return what roots are given, call by call."""
    calls: list[list[tuple[str, Root]]] = []

    def note(_: Helpers, run: str, trees: list[tuple[Volume, Root]]) -> None:
        assert run == RUN
        calls.append([(volume.name, root) for volume, root in trees])

    monkeypatch.setattr(shared, "set_roots", note)
    return calls


HELPERS: Any = object()
OWNED = Base(path="/s", mode=0o750, uid=1000, gid=1000)
TREES = ((Plot(run=Address(RUN), kind="w", base=OWNED), Volume(name="w", path="/v/w")),)


def test_roots_are_set_once_for_the_same_users(given: list[list[tuple[str, Root]]]) -> None:
    tree = tree_of(RecordingVolumes())
    tree.set_roots(HELPERS, TREES, ("root",))
    tree.set_roots(HELPERS, TREES, ("root", "1000"))

    assert given == [[("w", Root(mode=0o750, uid=1000, gid=1000))], []]


def test_roots_never_close_again_to_a_user_of_an_earlier_stage(given: list[list[tuple[str, Root]]]) -> None:
    tree = tree_of(RecordingVolumes())
    for users in (("root",), ("node",), ("root",)):
        tree.set_roots(HELPERS, TREES, users)

    assert [root.mode for call in given for _, root in call] == [0o750, 0o777]


def test_roots_of_stages_that_open_at_the_same_time_end_open_to_all(given: list[list[tuple[str, Root]]]) -> None:
    tree = tree_of(RecordingVolumes())
    users = ("root", "1000", "node", "root")
    threads = [threading.Thread(target=tree.set_roots, args=(HELPERS, TREES, (user,))) for user in users]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [call for call in given if call][-1] == [("w", Root(mode=0o777, uid=1000, gid=1000))]


def test_stages_of_another_run_that_shared_a_tree_are_one_layer_and_those_of_this_run_are_not() -> None:
    old = [Address("0ddba11d", name) for name in "ABX"]
    tree = Address("0ddba11d", naming.SHARED)
    known = {naming.layer(stage, "s") for stage in (*old[:2], A)}
    stage = StageSpec(address=Y, layers=(*old, A), beside=((old[0], old[1]), (old[1], old[2]), (old[2], A)))

    found = settled(stage, known)

    assert found.layers == (tree, old[2], A)
    assert found.beside == ((tree, old[2]), (old[2], A))
