import base64
import json
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from runner.logs.forms import forms
from runner.logs.mask import Mask

SECRET = b"hunter2 & the word"


def _redacted(secret: bytes, text: str) -> str:
    mask = Mask()
    for form in forms(secret):
        mask.add(form)
    mask.add(secret)
    return mask.redact(text)


def test_each_line_of_a_secret_is_a_form_of_it() -> None:
    key = b"-----BEGIN KEY-----\nMIIEvQ+/AB\r\n  indented\n-----END KEY-----\n"

    assert {b"-----BEGIN KEY-----", b"MIIEvQ+/AB", b"indented", b"-----END KEY-----"} <= forms(key)


def test_short_lines_are_none_since_they_stand_in_harmless_texts() -> None:
    assert not {b"{", b"}", b"a: 1"} & forms(b"{\na: 1\n}\n")


def test_a_secret_is_not_a_form_of_itself() -> None:
    assert b"plain_secret" not in forms(b"plain_secret")


def test_an_empty_secret_has_no_forms() -> None:
    assert forms(b"") == frozenset()


@given(secret=st.binary(min_size=8, max_size=40), before=st.binary(max_size=5), after=st.binary(max_size=5))
def test_base64_of_whatever_holds_the_secret_shows_at_most_a_part_of_its_edges(
    secret: bytes, before: bytes, after: bytes
) -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        encoded = encode(before + secret + after)
        assert any(form in encoded for form in forms(secret))


def test_a_secret_in_base64_is_masked_wherever_it_lies() -> None:
    for shift in range(3):
        encoded = base64.b64encode(b"x" * shift + SECRET + b"yy").decode()
        shown = _redacted(SECRET, encoded)
        assert "***" in shown
        assert len(shown) <= len("***") + 4 + 8


def test_a_secret_in_a_url_is_masked() -> None:
    assert _redacted(SECRET, f"https://example.org/?q={quote(SECRET, safe='')}") == "https://example.org/?q=***"


def test_a_secret_in_json_is_masked() -> None:
    secret = 'say "hällo"\nand\\or go'
    for ascii_only in (True, False):
        text = json.dumps({"key": secret}, ensure_ascii=ascii_only)
        assert _redacted(secret.encode(), text) == '{"key": "***"}'


def test_a_secret_that_is_not_utf_8_has_forms() -> None:
    assert b"%FF%FEsecret" in forms(b"\xff\xfesecret")
