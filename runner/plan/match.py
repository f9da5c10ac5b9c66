"""Does one pattern match one value: Go's ``filepath.Match`` and RE2, as Vela reads the patterns of a ruleset.

RE2 is that of google-re2.
"""

import functools
from typing import TYPE_CHECKING

from runner.errors import quoted
from runner.plan.model import Matcher

if TYPE_CHECKING:
    import re2

_MOST_MEMORY = 1024 * 1024  # of one regular expression; by default RE2 takes eight times as much


class BadPatternError(ValueError):
    """A pattern that cannot be read: the message says why, ``hint`` what would be right."""

    def __init__(self, pattern: str, reason: str, hint: str) -> None:
        super().__init__(f"{quoted(pattern)} {reason}")
        self.pattern = pattern
        self.hint = hint


def matches(matcher: Matcher, pattern: str, value: str) -> bool:
    """Whether the pattern matches the value: the whole of it with FILEPATH, any part of it with REGEXP.

    Raises BadPatternError for a pattern that cannot be read, whatever the value is.
    """
    if matcher is Matcher.REGEXP:
        # RE2 refuses lone surrogates; Go reads such bytes as the replacement character.
        text = _bytes(value).decode("utf-8", "replace")
        return bool(_regexp(pattern).search(text))
    from runner.plan import filepath  # noqa: PLC0415 - as `re2` below

    return filepath.fits(pattern, _bytes(value))


def check(matcher: Matcher, pattern: str) -> int:
    """Return how much work it is to read the pattern, about 0.5 us a unit; raise BadPatternError when it cannot be."""
    if matcher is Matcher.REGEXP:
        return int(_regexp(pattern).programsize)
    from runner.plan import filepath  # noqa: PLC0415 - as `re2` below

    filepath.read(pattern)
    return len(pattern)


def _bytes(text: str) -> bytes:
    # "surrogatepass": a fact may come from an event's JSON with half a surrogate pair, and must not end the compiler.
    return text.encode("utf-8", "surrogatepass")


@functools.lru_cache(maxsize=512)
def _regexp(pattern: str) -> "re2._Regexp":
    import re2  # noqa: PLC0415 - few patterns are regular expressions, and it takes long to import

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MOST_MEMORY
    options.never_capture = True  # only yes or no is asked, and groups cost a hostile pattern's author nothing
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
        raise BadPatternError(pattern, f"is no regular expression: {reason}", "the syntax is RE2's") from error
