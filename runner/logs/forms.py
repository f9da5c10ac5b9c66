"""The forms in which a secret may be printed: by its lines, encoded, or quoted.

Which characters a shell escapes is taken from what dash 0.5.12, bash 5.2 and busybox ash 1.35 print; a test asks them.
"""

import base64
import json
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

_SHORTEST = 6
"""A shorter line or encoding stands in too many harmless texts, as the ``{`` of a JSON file."""

_CUT = (0, 2, 3)
"""How many characters of base64 depend on what stands before the value, by how many bytes that is, modulo 3."""

_TAIL = (0, 3, 2)
"""How many characters at the end depend on what follows, or fill up, by the length modulo 3."""

_HEX_SHORTEST = _TWICE_SHORTEST = 8
"""The hex of fewer bytes may be any number, and base64 of base64 part of any word."""

_UNRESERVED = ("", "/", "!'()*")
"""What beside letters, digits and ``_.-~`` is left as it is in a URL: by most, for a path, in JavaScript."""

_DOUBLE_QUOTED = re.compile(rb'[$"`\\]')
_BACKSLASHED = re.compile(rb"""[ \t!"$&'()*,;<>?\[\\\]^`{|}]|(?<=[:=])~""")
"""What ``printf %q`` of bash escapes, but for a ``#`` or ``~`` at the beginning."""

_GO = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}
"""What JSON of Go escapes beside what all do."""

_NAMED = {b"\a": b"a", b"\b": b"b", b"\x1b": b"E", b"\f": b"f", b"\n": b"n", b"\r": b"r", b"\t": b"t", b"\v": b"v"}
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]|[\\']")
_CONTROL_OR_HIGH = re.compile(rb"[\x00-\x1f\x7f-\xff]|[\\']")


def forms(value: bytes) -> frozenset[bytes]:
    """Return what is masked beside a secret itself; of the white space around it nothing is asked.

    That is each of its lines; the whole in base64, once and twice (as a Docker config has it), hex, upper and lower
    case and URLs; and the whole and each line as JSON, Python and Go spell them and as shells quote them: traced with
    ``set -x``, by ``printf %q``, ``${v@Q}``, ``declare -p`` and ``export -p``. Where a form depends on the neighbours
    of the value (base64, quotes at its ends), the part that does not is returned.
    """
    core = value.strip()
    lines = {line.strip() for line in core.splitlines()}
    found = {*lines, *_encodings(core)}
    for text in {core, *lines}:
        found.update(_escapes(text), _quotes(text))
    return frozenset(form for form in found if len(form) >= _SHORTEST) - {value}


def encoded(value: bytes) -> frozenset[bytes]:
    """Return a value in base64, of both alphabets, for each of the three ways in which it can lie.

    It may stand in lines of any width, so that these are texts of ``Needles``.
    """
    found = frozenset(_wherever(value))
    return found | {text.translate(bytes.maketrans(b"+/", b"-_")) for text in found}


def _encodings(value: bytes) -> Iterator[bytes]:
    yield from encoded(value)
    if len(value) >= _TWICE_SHORTEST:
        for text in _wherever(value):
            yield from _wherever(text)
    yield value.upper()
    yield value.lower()
    if len(value) >= _HEX_SHORTEST:
        yield value.hex().encode()
        yield value.hex().upper().encode()
    for safe in _UNRESERVED:
        for encode in (quote, quote_plus):
            url = encode(value, safe=safe).encode()
            yield url
            yield re.sub(rb"%..", lambda byte: byte[0].lower(), url)


def _wherever(value: bytes) -> Iterator[bytes]:
    """Yield the value in base64, for each of the three ways in which it can lie."""
    for before in range(3):
        text = base64.b64encode(b"\0" * before + value)
        yield text[_CUT[before] : len(text) - _TAIL[(before + len(value)) % 3]]


def _escapes(value: bytes) -> Iterator[bytes]:
    """Yield the value inside a string of JSON (as most and as Go print it; so does Go's ``%q``), and of Python."""
    text = value.decode("utf-8", "surrogateescape")
    plain = json.dumps(text, ensure_ascii=False)[1:-1]
    yield json.dumps(text).encode()[1:-1]
    for spelled in (plain, plain.translate(_GO), repr(text)[1:-1], repr(text + '"')[1:-2]):
        yield spelled.encode("utf-8", "surrogateescape")
    yield repr(value)[2:-1].encode()


def _quotes(value: bytes) -> Iterator[bytes]:
    """Yield the value inside the quotes of a shell."""
    inner = value.strip(b"'")
    yield inner.replace(b"'", rb"'\''")  # bash
    yield inner.replace(b"'", b"""'"'"'""")  # Python's shlex
    yield re.sub(b"'+", rb"""'"\g<0>"'""", inner)  # dash, ash
    yield _DOUBLE_QUOTED.sub(rb"\\\g<0>", value)
    yield _BACKSLASHED.sub(rb"\\\g<0>", value.lstrip(b"#~"))
    yield from (_ansi(value, escaped) for escaped in (_CONTROL, _CONTROL_OR_HIGH))


def _ansi(value: bytes, escaped: re.Pattern[bytes]) -> bytes:
    """Return the value as it stands between ``$'`` and ``'`` in bash; high bytes are escaped where the locale is C."""

    def escape(found: re.Match[bytes]) -> bytes:
        byte = found[0]
        return b"\\" + (byte if byte in b"\\'" else _NAMED.get(byte) or b"%03o" % byte[0])

    return escaped.sub(escape, value)
