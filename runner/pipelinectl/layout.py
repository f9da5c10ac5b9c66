"""Where the values of a run lie, and how they are named: what the shim and this side agree on.

**The store** is one directory of the run (``VALUES``), open to every user, of layout ``VERSION``. Each value is one
file, written under a name of its own that begins with a dot and put in place by rename or by link, so nobody sees half
of one. Its name is ``<kind>.<key>``, or ``<kind>.<key>,<property>``:

====  ====================================================================  =========================
kind  what                                                                  content
====  ====================================================================  =========================
e     a value of ``set_env``                                                text
c     a constant of ``set_envc``; counts before ``e``                       text
x     ``export_env`` has marked this key                                    nothing
p     what the runner itself answers ``get_env``, after the configuration   text
r     a repository (``r.<key>``), a property of one (``r.<key>,<prop>``)    nothing; text
a     an artifact, likewise                                                 nothing; text
d     a property of ``put_data``; also the results of stages                text
f     a file of ``save_file``                                               its bytes
t     a file of ``save_result``: key is the stage, property the file        its bytes
j     an asset, named by the SHA-256 of its pairs                           an entry
v     an evidence, likewise                                                 an entry
n     a call of ``collect-evidence`` or ``set-commit-status``; a UUID        a JSON object
k     the key that a hashed name stands for                                 its bytes
y     an async stage that the pipeline declares, by its name                nothing
====  ====================================================================  =========================

*Names.* In a key or property the bytes ``A-Z a-z 0-9 _ - .`` stand for themselves and every other byte is ``%XX``, in
capitals. Where that takes more than ``LONGEST_NAME`` bytes, the name is ``~`` and the SHA-256 of the plain bytes in
hexadecimal digits, and a file ``k.~<digits>`` holds them. A key has 1 to ``LONGEST_KEY`` bytes, without NUL.

*Text* is the value and one newline, which does not belong to it; up to ``LONGEST_VALUE`` bytes without the newline.

*An entry* is a line with its pairs (``name=value`` encoded as above but never hashed, sorted by bytes, joined by
``&``), a line with the beginning of a JSON object that ends in ``"blob":``, and the blob as it was given; the object
lacks only its ``}``. The first line, without its newline, is what is hashed for the name.

**Secrets** of ``set_secret`` are files of kind ``s``, text as above, in ``SECRETS``: memory that ends with the run. The
engine never reads them; it hears of them by ``::add-mask::``.

**Configuration**: ``CONFIG`` holds a file for each property and parameter of the run, without a newline; secure ones
stand in ``secure-properties`` as well, the others in ``environment-properties``. It is memory, too, and read-only.

**Returns** of an attempt lie in a directory of their own, ``RETURNS``, named and put in place as files of the store,
with the attempt's name (``naming.returns``) as the key:

=====  ============================================================  ==========================================
kind   what                                                          content
=====  ============================================================  ==========================================
m      the primary return (``set_return``)                           a line ``text`` or ``json``, then the value
o      a named return, by its name (``set_env``, ``set_envc``)       text
g      a global, by its name (``set_global``)                        as a primary return
l      a link, by its name (``set_link``)                            text
w      what the attempt asks for (``skip``, ``stop``, ``pause``)     a line with that word, then the message
=====  ============================================================  ==========================================

Steps are told the attempt's name by ``STEP``, by ``EVALUATES`` that they are one that decides about its stage, and by
``MAPPED`` that named returns are wanted.

**Requests** of ``trigger-task`` are files of a directory of their own, ``REQUESTS``, put in place as those of the store
are; each is what ``serialize`` prints, and its name ``<id>.<stage>``: the id of the run that it asks for, eight
hexadecimal digits, and an async stage. Nobody changes or removes one. After it a byte is added to ``BELL``, so that its
size says whether there is anything new.
"""

import hashlib
import re
from collections.abc import Collection, Mapping
from enum import StrEnum
from pathlib import PurePosixPath
from urllib.parse import quote, unquote_to_bytes

VERSION = 1

HOME = "/opt/runner"
"""Where steps see the shim; ``ONE_PIPELINE_PATH``."""

PROGRAMS = f"{HOME}/bin"
"""What stands first on their PATH."""

STATE = "/run/runner"
"""Where they see the volume of the run's values."""

VALUES = f"{STATE}/values"
RETURNS = f"{STATE}/returns"
REQUESTS = f"{STATE}/requests"
BELL = f"{STATE}/bell"
SECRETS = "/run/runner-secrets"
CONFIG = "/config"

STEP, EVALUATES, MAPPED = "RUNNER_STEP", "RUNNER_EVALUATES", "RUNNER_MAPPED"
"""The variables that a step is told these by: the first always, the others as ``1`` or not at all."""

OURS = (HOME, STATE, SECRETS)
"""Where a step can mount nothing of its own."""

LONGEST_NAME, LONGEST_KEY, LONGEST_VALUE = 100, 1024, 1 << 20

_FILE_NAME_BYTES = 255
_SECURE, _PLAIN = "secure-properties", "environment-properties"
_HASHED = re.compile(r"~[0-9a-f]{64}")


class Kind(StrEnum):
    """The kinds of files, as the table above has them."""

    VALUE = "e"
    CONSTANT = "c"
    EXPORTED = "x"
    KNOWN = "p"
    REPOSITORY = "r"
    ARTIFACT = "a"
    DATA = "d"
    FILE = "f"
    RESULT = "t"
    ASSET = "j"
    EVIDENCE = "v"
    CALL = "n"
    KEY = "k"
    ASYNC = "y"
    PRIMARY = "m"
    NAMED = "o"
    GLOBAL = "g"
    LINK = "l"
    WISH = "w"


TEXTS = (Kind.VALUE, Kind.CONSTANT, Kind.KNOWN, Kind.DATA)
"""The kinds whose every file is a text."""
LARGE = (Kind.FILE, Kind.RESULT)
"""The kinds whose files can be as large as a disk."""


def file_name(kind: Kind, key: str, part: str | None = None) -> str:
    """Return the name of the file of a key, or of a property of it."""
    names = (encoded(raw(name)) for name in (key, part) if name is not None)
    return f"{kind}.{','.join(names)}"


def entry(kind: Kind, key: str, part: str | None = None, content: bytes = b"") -> dict[str, bytes]:
    """Return the files of a key, or of a property of it, by their names: beside it, what hashed names stand for."""
    names = {encoded(raw(name)): raw(name) for name in (key, part) if name is not None}
    hashed = {f"{Kind.KEY}.{name}": plain for name, plain in names.items() if _HASHED.fullmatch(name)}
    return {**hashed, file_name(kind, key, part): content}


def of_keys(files: Mapping[str, bytes], keys: Collection[str]) -> dict[str, bytes]:
    """Return the files of these keys, which are plain, with those that tell what hashed names stand for."""
    return {
        name: content
        for name, content in files.items()
        if name.startswith(f"{Kind.KEY}.") or name[2:].partition(",")[0] in keys
    }


def encoded(key: bytes) -> str:
    """Return how a key or property stands in a file name."""
    name = quote(key, safe="").replace("~", "%7E")
    return name if len(name) <= LONGEST_NAME else f"~{hashlib.sha256(key).hexdigest()}"


def decoded(name: str, store: Mapping[str, bytes]) -> bytes | None:
    """Return the key that a part of a file name stands for; None if the store has no file that tells."""
    return store.get(f"{Kind.KEY}.{name}") if _HASHED.fullmatch(name) else unquote_to_bytes(name)


def text(value: str) -> bytes:
    """Return a value as the content of its file."""
    return raw(value) + b"\n"


def raw(value: str) -> bytes:
    """Return the bytes of a value; half a character, as JSON can spell one, becomes ``?``."""
    try:
        return value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return value.encode("utf-8", "replace")


def is_file_name(name: str) -> bool:
    """Whether a property of this name can be a file of ``CONFIG``."""
    return (
        name not in ("", ".", "..", _SECURE, _PLAIN)
        and not any(sign in name for sign in "/\0")
        and len(raw(name)) <= _FILE_NAME_BYTES
    )


def is_property(name: str) -> bool:
    """Whether there can be a property of this name: that of a file of ``CONFIG``, or ``NAME/KEY``.

    The latter is the file ``KEY``, for the stages that ask for ``NAME`` (``plan.model.Stage.config``).
    """
    first, slash, second = name.partition("/")
    return is_file_name(first) and (not slash or is_file_name(second))


def configuration(properties: Mapping[str, str], secure: Mapping[str, str]) -> dict[PurePosixPath, bytes]:
    """Return the files of ``CONFIG`` that every stage sees, by their paths below it.

    A secure property wins over one of the same name.
    """
    plain = {name: value for name, value in properties.items() if name not in secure}
    files: dict[PurePosixPath, bytes] = {}
    for folder, values in ((_PLAIN, plain), (_SECURE, secure)):
        for name, value in ((name, value) for name, value in values.items() if "/" not in name):
            files[PurePosixPath(name)] = files[PurePosixPath(folder, name)] = raw(value)
    return files
