import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runner.workspace.git.slots import Key, Slot, Slots
from runner.workspace.git.spec import SourceSpec

SHA = "0123456789abcdef0123456789abcdef01234567"
KEY = Key(commit=SHA, ref="refs/heads/main", default="", whole=False, submodules=False)


@contextmanager
def claimed(slots: Slots) -> Iterator[Slot]:
    """Have a slot for oneself until the end of the block."""
    slot = slots.claim()
    try:
        yield slot
    finally:
        slot.release()


def test_a_tree_that_was_made_is_shared_without_having_been_free_even_while_another_thread_starts_a_process(
    tmp_path: Path,
) -> None:
    slots = Slots(tmp_path)
    slot = slots.claim()
    slot.finish(KEY)
    inherited = os.dup(slot.lock)  # as a child that has not come to its `exec` has it

    slot.share()

    lease = slots.lease(KEY)
    assert lease is not None
    other = slots.claim()
    assert other.directory != slot.directory
    for each in (slot, lease, other):
        each.release()
    os.close(inherited)


def _fill(slots: Slots, key: Key) -> Slot:
    """Put a tree into a slot that nobody uses; return the slot, which is free again."""
    with claimed(slots) as slot:
        slot.clear()
        slot.tree.mkdir()
        (slot.tree / "file").touch()
        slot.finish(key)
    return slot


def _key(number: int) -> Key:
    return Key(commit=f"{number:040x}", ref="", default="", whole=False, submodules=False)


def test_a_tree_that_is_finished_is_leased_to_many(tmp_path: Path) -> None:
    slots = Slots(tmp_path)
    filled = _fill(slots, KEY)

    leases = [slots.lease(KEY) for _ in range(3)]

    assert [lease and lease.directory for lease in leases] == [filled.directory] * 3
    for lease in leases:
        assert lease is not None
        lease.release()


def test_without_slots_there_is_nothing_to_lease(tmp_path: Path) -> None:
    assert Slots(tmp_path / "none").lease(KEY) is None


def test_a_tree_that_is_leased_is_not_turned_into_another(tmp_path: Path) -> None:
    slots = Slots(tmp_path)
    first = _fill(slots, KEY)
    lease = slots.lease(KEY)
    assert lease is not None

    second = _fill(slots, _key(2))
    lease.release()
    third = _fill(slots, _key(3))

    assert [first.directory.name, second.directory.name, third.directory.name] == ["1", "2", "1"]


def test_a_slot_with_a_tree_is_taken_before_one_without(tmp_path: Path) -> None:
    slots = Slots(tmp_path)
    with claimed(slots) as torn:
        torn.tree.mkdir()
        _fill(slots, KEY)

    with claimed(slots) as slot:
        assert slot.directory.name == "2"
        assert slot.key() == KEY


def test_a_tree_that_was_begun_is_not_there_until_it_is_finished(tmp_path: Path) -> None:
    slots = Slots(tmp_path)
    _fill(slots, KEY)

    with claimed(slots) as slot:
        slot.begin()
        assert slots.lease(KEY) is None

    assert slots.lease(KEY) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", "{", '{"commit": "x", "other": 1}'])
def test_what_another_version_has_noted_counts_as_unfinished(tmp_path: Path, text: str) -> None:
    slots = Slots(tmp_path)
    slot = _fill(slots, KEY)
    (slot.directory / "key").write_text(text, encoding="ascii")

    assert slot.key() is None
    assert slots.lease(KEY) is None


@pytest.mark.parametrize(
    ("wanted", "serves"),
    [
        (SourceSpec(url="u", commit=SHA, ref="main"), True),
        (SourceSpec(url="u", commit=SHA, ref="refs/heads/main"), True),
        (SourceSpec(url="u", commit=SHA), False),
        (SourceSpec(url="u", commit=SHA, ref="other"), False),
        (SourceSpec(url="u", commit=SHA[:8], ref="main"), False),
        (SourceSpec(url="u", ref="main"), False),
        (SourceSpec(url="u", commit=SHA, ref="main", history=True), False),
        (SourceSpec(url="u", commit=SHA, ref="main", submodules=True), False),
        (SourceSpec(url="u", commit=SHA[::-1], ref="main"), False),
    ],
)
def test_a_tree_serves_only_what_was_asked_for(tmp_path: Path, wanted: SourceSpec, *, serves: bool) -> None:
    slots = Slots(tmp_path)
    _fill(slots, KEY)

    assert slots.serving(wanted) == (KEY if serves else None)


def test_a_tree_with_all_history_serves_who_needs_less(tmp_path: Path) -> None:
    slots = Slots(tmp_path)
    whole = Key(commit=SHA, ref="", default="", whole=True, submodules=False)
    _fill(slots, whole)

    assert slots.serving(SourceSpec(url="u", commit=SHA)) == whole


def test_of_trees_that_nobody_uses_those_used_last_stay(tmp_path: Path) -> None:
    slots = Slots(tmp_path)
    with claimed(slots) as first:
        with claimed(slots) as second, claimed(slots) as third:
            for number, slot in enumerate((second, third, first), start=1):
                slot.tree.mkdir()
                slot.finish(_key(number))
        _fill(slots, _key(4))
    used = slots.lease(_key(3))
    assert used is not None
    used.release()

    slots.trim()

    left = [path.parent.parent.name for path in tmp_path.glob("*/tree/.")]
    assert len([directory for directory in tmp_path.iterdir() if (directory / "tree").exists()]) == len(left) == 2
    assert slots.serving(SourceSpec(url="u", commit=_key(3).commit)) == _key(3)


def test_a_tree_that_is_leased_is_not_removed(tmp_path: Path) -> None:
    slots = Slots(tmp_path)
    leases = []
    for number in range(1, 5):
        _fill(slots, _key(number))
        lease = slots.lease(_key(number))
        assert lease is not None
        leases.append(lease)

    slots.trim()

    assert all((lease.tree / "file").exists() for lease in leases)
    for lease in leases:
        lease.release()
