import base64
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import StoreError
from runner.store.sealing import Vault
from runner.store.sql.database import Database
from runner.store.sql.pipelines import Pipelines
from runner.store.sql.runs import NewRun, Runs
from tests.support import databases

SECRET = "correct horse battery staple"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with databases.database(databases.SQLITE, tmp_path) as found:
        yield found


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return tmp_path / "secret.key"


def _seal_something(vault: Vault, database: Database) -> Pipelines:
    pipelines = Pipelines(database, vault)
    pipelines.register("app", "{}")
    pipelines.set_secret("app", "TOKEN", SECRET)
    return pipelines


@given(text=st.text(st.characters(exclude_categories=())), purpose=st.text())
def test_what_was_sealed_comes_back_as_it_was(text: str, purpose: str) -> None:
    vault = Vault(bytes(32))

    assert vault.reveal(vault.seal(text, purpose), purpose) == text


def test_the_same_secret_is_never_sealed_in_the_same_way() -> None:
    vault = Vault(bytes(32))

    assert len({vault.seal(SECRET, "a") for _ in range(100)}) == 100


def test_what_is_sealed_opens_for_its_purpose_only() -> None:
    vault = Vault(bytes(32))

    with pytest.raises(StoreError, match="secret:app:B cannot be opened"):
        vault.reveal(vault.seal(SECRET, "secret:app:A"), "secret:app:B")


def test_what_was_changed_or_cut_does_not_open_wherever_it_was() -> None:
    vault = Vault(bytes(32))
    sealed = vault.seal(SECRET, "a")

    for index in range(len(sealed)):
        changed = sealed[:index] + bytes([sealed[index] ^ 1]) + sealed[index + 1 :]
        for damaged in (changed, sealed[:index]):
            with pytest.raises(StoreError, match="a cannot be opened") as caught:
                vault.reveal(damaged, "a")
            assert SECRET not in caught.value.explained


def test_another_key_opens_nothing() -> None:
    with pytest.raises(StoreError):
        Vault(b"1" * 32).reveal(Vault(b"2" * 32).seal(SECRET, "a"), "a")


def test_a_vault_shows_nothing_of_its_key() -> None:
    vault = Vault(b"k" * 32)

    assert "kkk" not in f"{vault!r} {vars(vault)!r}"


def test_the_first_key_is_made_for_its_owner_only(key: Path, database: Database) -> None:
    umask = os.umask(0)
    try:
        vault = Vault.open(key, database)
    finally:
        os.umask(umask)

    assert key.stat().st_mode & 0o777 == 0o600
    assert len(base64.b64decode(key.read_bytes())) == 32
    assert Vault.open(key, database).reveal(vault.seal(SECRET, "a"), "a") == SECRET
    assert sorted(path.name for path in key.parent.iterdir() if "key" in path.name) == ["secret.key"]


def test_a_key_that_an_operator_made_is_used(key: Path, database: Database) -> None:
    key.touch(0o400)
    key.chmod(0o600)
    key.write_bytes(base64.b64encode(b"o" * 32) + b"\n")
    key.chmod(0o400)

    vault = Vault.open(key, database)

    assert Vault(b"o" * 32).reveal(vault.seal(SECRET, "a"), "a") == SECRET


def test_a_new_key_can_take_the_place_of_one_that_sealed_nothing(key: Path, database: Database) -> None:
    Vault.open(key, database)
    key.unlink()

    pipelines = _seal_something(Vault.open(key, database), database)

    assert Pipelines(database, Vault.open(key, database)).secrets("app") == pipelines.secrets("app")


def test_a_missing_key_is_not_replaced_once_secrets_are_sealed(key: Path, database: Database) -> None:
    _seal_something(Vault.open(key, database), database)
    key.unlink()

    with pytest.raises(StoreError, match=rf"secret key {key} is missing, and database .* holds") as caught:
        Vault.open(key, database)

    assert "RUNNER_SECRET_KEY_FILE" in caught.value.hint
    assert not key.exists()


def test_secrets_that_a_run_holds_are_sealed_ones_too(key: Path, database: Database) -> None:
    vault = Vault.open(key, database)
    Runs(database).add(NewRun(id="a", ordered="{}", sealed=vault.seal(SECRET, "run:a")))
    key.unlink()

    with pytest.raises(StoreError, match="is missing"):
        Vault.open(key, database)


def test_a_wrong_key_is_refused_when_the_vault_is_opened(key: Path, database: Database) -> None:
    _seal_something(Vault.open(key, database), database)
    right = key.read_bytes()
    key.write_bytes(base64.b64encode(b"w" * 32))

    with pytest.raises(StoreError, match=r"is not the one that the secrets in database .* are sealed with") as caught:
        Vault.open(key, database)

    assert "put the right key there" in caught.value.hint
    key.write_bytes(right)
    assert Pipelines(database, Vault.open(key, database)).secrets("app") == {"TOKEN": SECRET}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o611])
def test_a_key_that_others_may_reach_is_refused(key: Path, database: Database, mode: int) -> None:
    Vault.open(key, database)
    key.chmod(mode)

    with pytest.raises(StoreError, match="can be read by others") as caught:
        Vault.open(key, database)

    assert caught.value.hint == f"chmod 600 {key}"


@pytest.mark.parametrize(
    "damage",
    [lambda _: b"", lambda text: text[:-5], lambda text: text + text, lambda _: os.urandom(32), lambda _: b"\n" * 44],
)
def test_a_damaged_key_is_refused_and_not_shown(
    key: Path, database: Database, damage: Callable[[bytes], bytes]
) -> None:
    Vault.open(key, database)
    whole = key.read_bytes()
    key.write_bytes(damage(whole))

    with pytest.raises(StoreError, match="is damaged: it is not 32 bytes in base64") as caught:
        Vault.open(key, database)

    assert whole.decode()[:8] not in f"{caught.value.explained} {caught.value.__cause__}"


def test_a_place_where_no_key_can_be_written_is_named(tmp_path: Path, database: Database) -> None:
    key = tmp_path / "gone" / "secret.key"

    with pytest.raises(StoreError, match=f"secret key {key}: No such file or directory"):
        Vault.open(key, database)


def test_the_key_stays_with_a_database_that_was_lost(key: Path, database: Database, tmp_path: Path) -> None:
    vault = Vault.open(key, database)
    (tmp_path / "second").mkdir()

    with databases.database(databases.SQLITE, tmp_path / "second") as empty:
        again = Vault.open(key, empty)

    assert again.reveal(vault.seal(SECRET, "a"), "a") == SECRET
