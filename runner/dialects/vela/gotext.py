"""Single values as Go writes them: alone, as an item of a list, in JSON.

Vela writes one alone with ``strconv`` (``api/types/string.go`` of go-vela/server), an item with go-yaml, and the rest
with go-yaml, ghodss/yaml and ``encoding/json``, one after the other. These agree on the digits of a number, the
fewest that mean it, and differ in when they use an exponent and in the words for what is no number.
"""

import json
import math
from decimal import Decimal
from typing import Final

from runner.dialects.vela.typed import Timestamp, Value

# The powers of ten that need no exponent: in Go's format 'g', and in JavaScript, which encoding/json follows.
_PLAIN_IN_YAML: Final = range(-4, 6)
_PLAIN_IN_JSON: Final = range(-6, 21)
_HTML: Final = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def alone(value: Value) -> str:
    """Return the text of a value that is a whole parameter: ``+Inf``, and a timestamp in quotes."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    return in_json(value) if isinstance(value, Timestamp) else in_yaml(value)


def in_yaml(value: Value) -> str:
    """Return the text of a value that is an item of a list or a key: ``.inf``, and a timestamp without quotes."""
    if isinstance(value, Timestamp):
        return value.text
    if isinstance(value, float):
        return _float_in_yaml(value)
    return value if isinstance(value, str) else in_json(value)


def in_json(value: Value) -> str:
    """Return a value in JSON, with ``< > &`` and the line separators escaped; for a float, it must be finite."""
    if isinstance(value, Timestamp):
        return in_json(value.text)
    if isinstance(value, float):
        return _float_in_json(value)
    return json.dumps(value, ensure_ascii=False).translate(_HTML)


def _float_in_yaml(value: float) -> str:
    if not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    digits = _digits(value)
    if digits.adjusted() in _PLAIN_IN_YAML:
        return f"{digits:f}"
    mantissa, exponent = f"{digits:e}".split("e")
    return f"{mantissa}e{int(exponent):+03}"


def _float_in_json(value: float) -> str:
    digits = _digits(value)
    if not digits:
        return "0"  # go-yaml has made an integer of -0.0
    return f"{digits:f}" if digits.adjusted() in _PLAIN_IN_JSON else f"{digits:e}"


def _digits(value: float) -> Decimal:
    """Return the shortest decimal that means the float."""
    return Decimal(repr(value)).normalize()
