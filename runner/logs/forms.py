"""The forms in which a secret may be printed: by its lines, or encoded."""

import base64
import json
from collections.abc import Iterator
from urllib.parse import quote

_SHORTEST = 6
"""A shorter line or encoding stands in too many harmless texts, as the ``{`` of a JSON file."""

_CUT = (0, 2, 3)
"""How many characters of base64 depend on what stands before the value, by how many bytes that is, modulo 3."""

_TAIL = (0, 3, 2)
"""How many characters at the end depend on what follows, or fill up, by the length modulo 3."""


def forms(value: bytes) -> frozenset[bytes]:
    """Return what is masked beside a secret itself: each of its lines, and the whole as base64, in a URL, in JSON.

    In base64 the characters of a value depend on its neighbours at both ends; the part that does not is returned, for
    each of the three ways in which it can lie.
    """
    found = (*(line.strip() for line in value.splitlines()), *_encodings(value))
    return frozenset(form for form in found if len(form) >= _SHORTEST) - {value}


def _encodings(value: bytes) -> Iterator[bytes]:
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + value)
        whole = encoded[_CUT[before] : len(encoded) - _TAIL[(before + len(value)) % 3]]
        yield whole
        yield whole.translate(bytes.maketrans(b"+/", b"-_"))
    yield quote(value, safe="").encode()
    text = value.decode("utf-8", "surrogateescape")
    yield json.dumps(text).encode()[1:-1]
    yield json.dumps(text, ensure_ascii=False).encode("utf-8", "surrogateescape")[1:-1]
