"""How much of a value the glob of ``${NAME#GLOB}`` or ``${NAME%GLOB}`` matches, as drone/envsubst v1.0.3 (``path``).

``*`` and ``?`` match a ``/`` too. Different on purpose: at the end of a value classes and backslashes work, where the
library reads the glob backwards, and a character is never matched in part.
"""

import re
from collections.abc import Sequence

import re2

from runner.plan.expansions import BadTemplateError

_ITEM = r"(?:\\.|[^\\\]-])"
_ATOM = re.compile(
    rf"(?P<star>\*+)|(?P<any>\?)|\[(?P<class>\^?+(?:{_ITEM}(?:-{_ITEM})?)++)\]|\\(?P<escaped>.)|(?P<literal>[^\\\[])",
    re.DOTALL,
)
_RANGE = re.compile(rf"(?P<low>{_ITEM})(?:-(?P<high>{_ITEM}))?", re.DOTALL)
_STAR = "*"
_SURROGATE = re.compile("[\ud800-\udfff]")  # RE2 refuses them


def reach(glob: str, value: str, *, greedy: bool, from_end: bool = False) -> int:
    """How many characters at one end of the value the glob matches: as many or as few as possible, 0 for no match.

    The least that a lone ``*`` matches is 1: the library tries no empty part. A malformed glob matches nothing.

    Raises BadTemplateError for a glob that is too long to be matched.
    """
    atoms = _atoms(_SURROGATE.sub("\ufffd", glob))
    value = _SURROGATE.sub("\ufffd", value)
    if atoms == [_STAR] and not greedy:
        return min(1, len(value))
    if from_end:
        atoms.reverse()
        value = value[::-1]
    found = _compiled(glob, atoms, greedy=greedy).match(value)
    return len(found.group()) if found else 0


def _atoms(glob: str) -> list[str]:
    """The atoms of a glob, as RE2 writes them, but ``*`` as itself; none for a malformed glob."""
    atoms: list[str] = []
    at = 0
    while at < len(glob):
        atom = _ATOM.match(glob, at)
        if atom is None:
            return []
        atoms.append(_as_regexp(atom))
        at = atom.end()
    return atoms


def _as_regexp(atom: re.Match[str]) -> str:
    match atom.lastgroup:
        case "star":
            return _STAR
        case "any":
            return "."
        case "class":
            return _class(atom["class"])
    return f"\\x{{{ord(atom[0][-1]):x}}}"


def _class(written: str) -> str:
    """A class for RE2, which refuses a range whose end comes before its beginning; such a range holds nothing."""
    negated = written.startswith("^")
    ranges = ""
    for item in _RANGE.finditer(written, pos=int(negated)):
        low = ord(item["low"][-1])
        high = ord((item["high"] or item["low"])[-1])
        ranges += f"\\x{{{low:x}}}-\\x{{{high:x}}}" if low <= high else ""
    if not ranges:
        return "." if negated else r"[^\x{0}-\x{10ffff}]"
    return f"[{'^' if negated else ''}{ranges}]"


def _compiled(glob: str, atoms: Sequence[str], *, greedy: bool) -> "re2._Regexp":
    star = ".*" if greedy else ".*?"
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile("(?s)" + "".join(star if atom == _STAR else atom for atom in atoms), options)
    except re2.error as error:
        raise BadTemplateError(glob, "is too long a pattern", "write a shorter one") from error
