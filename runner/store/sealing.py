"""Secrets at rest: sealed with AES-GCM, under a key in a file that only the daemon's user may read.

The file holds 32 bytes in base64, as ``openssl rand -base64 32`` prints them. The database holds a sealed word by which
a wrong key is recognised. What is sealed names what it is for, so that it opens nowhere else.
"""

import base64
import binascii
import os
import secrets
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, select

from runner.errors import StoreError
from runner.store.sql import schema
from runner.store.sql.database import Database
from runner.store.sql.tables import runs
from runner.store.sql.tables import secrets as sealed_secrets

CHECK = "vault"
"""The key in ``meta`` of the sealed word, and the word."""

_KEY = 32
_NONCE = 12
_VERSION = b"\x01"
_HINT = "put the right key there, or name its file in RUNNER_SECRET_KEY_FILE; without it, what is sealed is lost"


class Vault:
    """Seals and opens with one key, from any thread."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    @classmethod
    def open(cls, key_file: Path, database: Database) -> "Vault":
        """Return the vault of a database; the key is made where there is none, and nothing is sealed yet.

        Raises:
            StoreError: the key is missing, wrong, damaged or readable by others, or cannot be written.
        """
        try:
            key = _read(key_file) if key_file.exists() else _make(key_file, database)
        except OSError as error:
            raise StoreError(
                f"secret key {key_file}: {error.strerror}", hint="RUNNER_SECRET_KEY_FILE names another place"
            ) from error
        vault = cls(key)
        vault._check(key_file, database)
        return vault

    def seal(self, text: str, purpose: str) -> bytes:
        """Return a secret as it may be stored; ``purpose`` says what it is, and where it belongs."""
        nonce = secrets.token_bytes(_NONCE)
        return _VERSION + nonce + self._cipher.encrypt(nonce, _bytes(text), _bytes(purpose))

    def reveal(self, sealed: bytes, purpose: str) -> str:
        """Return a secret that was sealed for this purpose.

        Raises:
            StoreError: it was sealed with another key or for another purpose, or is damaged.
        """
        nonce, rest = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
        if sealed[:1] == _VERSION and len(nonce) == _NONCE:
            with suppress(InvalidTag):
                return self._cipher.decrypt(nonce, rest, _bytes(purpose)).decode("utf-8", "surrogatepass")
        raise StoreError(f"{purpose} cannot be opened: it is damaged, or belongs elsewhere", hint="set it again")

    def _check(self, key_file: Path, database: Database) -> None:
        with database.writing() as connection:
            known = schema.get(connection, CHECK)
            if known is None or not _sealed(connection):
                schema.put(connection, CHECK, self.seal(CHECK, CHECK).hex())
                return
        try:
            self.reveal(bytes.fromhex(known), CHECK)
        except (StoreError, ValueError) as error:
            raise StoreError(
                f"secret key {key_file} is not the one that the secrets in {database.name} are sealed with", hint=_HINT
            ) from error


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _read(path: Path) -> bytes:
    if path.stat().st_mode & 0o077:
        raise StoreError(f"secret key {path} can be read by others", hint=f"chmod 600 {path}")
    try:
        key = base64.b64decode(path.read_bytes().strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != _KEY:
        raise StoreError(f"secret key {path} is damaged: it is not {_KEY} bytes in base64", hint=_HINT)
    return key


def _make(path: Path, database: Database) -> bytes:
    with database.reading() as connection:
        if _sealed(connection):
            raise StoreError(f"secret key {path} is missing, and {database.name} holds what is sealed", hint=_HINT)
    key = secrets.token_bytes(_KEY)
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    # Whole and on the disk before it has its name: what it seals is lost without it.
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(base64.b64encode(key) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)
    return key


def _sealed(connection: Connection) -> bool:
    """Whether anything is sealed."""
    for wanted in (select(sealed_secrets.c.name), select(runs.c.id).where(runs.c.sealed != b"")):
        if connection.execute(wanted.limit(1)).first() is not None:
            return True
    return False
