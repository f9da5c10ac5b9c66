"""Calls at the same time: each takes effect as a whole, and one constant wins."""

from collections import Counter

from tests.support.shim import Shim


def test_eight_writers_lose_and_tear_nothing(shim: Shim) -> None:
    """Of the three shells one has 200 keys for each writer; an example of the others takes as long with fewer."""
    keys = 200 if shim.name == "ash" else 40
    write = 'write() { i=0; while [ $i -lt "$1" ]; do set_env "w$2-$i" "$2 $i" || exit; i=$((i + 1)); done; }; '

    done = shim.run(write + 'for w in 1 2 3 4 5 6 7 8; do write "$1" $w & done; wait', str(keys))

    assert (done.status, done.err) == (0, b"")
    assert shim.store() == {f"e.w{w}-{i}": f"{w} {i}\n".encode() for w in range(1, 9) for i in range(keys)}


def test_of_constants_set_at_once_one_wins(shim: Shim) -> None:
    race = 'for w in 1 2 3 4 5 6 7 8; do (set_envc k "$w" 2>/dev/null && echo "$w") & done; wait; get_env k'

    winner, kept = shim.run(race).out.split()

    assert winner == kept
    assert shim.store() == {"c.k": kept + b"\n"}


def test_of_constants_in_pairs_all_of_one_call_win(shim: Shim) -> None:
    race = 'for w in 1 2 3 4 5 6; do (set_envc a "$w" b "$w" c "$w" 2>/dev/null && echo "$w") & done; wait'

    winners = shim.run(race).out.split()

    kept = Counter(shim.store().values())
    assert len(winners) <= 1
    assert kept == Counter({winner + b"\n": 3 for winner in winners})


def test_of_equal_assets_saved_at_once_one_wins(shim: Shim) -> None:
    race = 'for w in 1 2 3 4 5 6; do (save_asset n 1 blob "$w" 2>/dev/null && echo "$w") & done; wait; load_asset n 1'

    winner, entry = shim.run(race).out.splitlines()

    assert entry == b'{"n": "1", "blob":' + winner + b"}"


def test_properties_of_one_key_set_at_once_are_merged(shim: Shim) -> None:
    assert (
        shim.run('for p in a b c d e f; do save_repo r "$p=$p" & done; wait; load_repo r').out == b"a\nb\nc\nd\ne\nf\n"
    )


def test_a_reader_never_sees_half_a_value(shim: Shim) -> None:
    race = """
        a=$(head -c 60000 /dev/zero | tr '\\0' a) b=$(head -c 60000 /dev/zero | tr '\\0' b); set_env k "$a"
        (i=0; while [ $i -lt 20 ]; do set_env k "$b"; set_env k "$a"; i=$((i + 1)); done) &
        i=0; while [ $i -lt 30 ]; do
            case $(get_env k) in "$a" | "$b") ;; *) echo torn ;; esac
            i=$((i + 1))
        done; wait
    """

    done = shim.run(race)

    assert (done.status, done.out, done.err) == (0, b"", b"")
