import base64
import json
import shlex
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from runner.logs.forms import forms
from runner.logs.mask import Mask

SECRET = b"hunter2 & the word"


def _redacted(secret: bytes, text: str) -> str:
    mask = Mask()
    assert mask.hide(secret)
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


@pytest.mark.parametrize(
    "url",
    [
        quote(SECRET),
        quote_plus(SECRET),
        quote(SECRET).replace("%2F", "%2f"),
        urlencode({"q": SECRET}).removeprefix("q="),
        "hunter2%20%26%20the%20word",
        "hunter2+%26+the+word",
    ],
)
def test_a_secret_is_masked_in_urls_of_every_kind(url: str) -> None:
    assert _redacted(SECRET, f"?a={url}&b=1") == "?a=***&b=1"


@pytest.mark.parametrize(
    "url",
    [
        "it's%20a%2Fpath%3F(1)",  # encodeURIComponent
        "it%27s%20a/path%3F%281%29",
        "it%27s+a%2Fpath%3F%281%29",
        "it%27s%20a%2fpath%3f%281%29",  # hex in lower case
    ],
)
def test_signs_that_some_leave_in_a_url_hide_no_secret(url: str) -> None:
    assert _redacted(b"it's a/path?(1)", f"<{url}>") == "<***>"


def test_a_secret_is_masked_as_go_prints_json() -> None:
    text = r'{"key": "\u003ca href=\"x\"\u003e \u0026 more"}'

    assert _redacted(b'<a href="x"> & more', text) == '{"key": "***"}'


def test_a_secret_is_masked_in_what_python_represents() -> None:
    secret = "it's \x1b\\ a\nline"

    assert _redacted(secret.encode(), repr(secret)) == '"***"'
    assert _redacted(secret.encode(), repr(secret + '"')) == "'***\"'"
    assert _redacted(b"\xff\x00 bytes", repr(b"\xff\x00 bytes")) == "b'***'"


@pytest.mark.parametrize("secret", ["it's here", "''quoted''", "two '' quotes", "'", "a 'b' $c"])
def test_a_secret_is_masked_as_python_quotes_it_for_a_shell(secret: str) -> None:
    secret = f"alpha{secret}omega"

    assert _redacted(secret.encode(), f"run {shlex.quote(secret)} now") == "run '***' now"


def test_each_line_of_a_secret_is_masked_as_it_is_quoted() -> None:
    secret = b'{\n  "user": "it\'s me",\n  "password": "p\\"w"\n}\n'

    assert _redacted(secret, r"""+ echo '"user": "it'\''s me",'""") == "+ echo '***'"
    assert _redacted(secret, json.dumps({"line": '"user": "it\'s me",'})) == '{"line": "***"}'


def test_a_secret_in_hex_or_in_upper_or_lower_case_is_masked() -> None:
    secret = "H\xfcnter22-X".encode()

    assert _redacted(secret, f"{secret.hex()} {secret.hex().upper()}") == "*** ***"
    assert _redacted(secret, "H\xfcNTER22-X h\xfcnter22-x") == "*** ***"


def test_the_hex_of_a_short_secret_is_none_since_it_may_be_any_number() -> None:
    assert b"pass12".hex().encode() not in forms(b"pass12")
    assert b"pass1234".hex().encode() in forms(b"pass1234")


@given(secret=st.text(min_size=6, max_size=30).map(str.strip).filter(lambda text: len(text.encode()) >= 6))
def test_every_json_string_that_holds_a_secret_is_masked(secret: str) -> None:
    masked = _redacted(secret.encode("utf-8", "replace"), json.dumps(["<", secret.encode("utf-8", "replace").decode()]))

    assert json.loads(masked)[1] == "***"


@pytest.mark.parametrize(
    ("secret", "printed", "shown"),
    [
        ("it's ''so''", """+ : 'it'"'"'s '"''"'so'"''"'""", """+ : '***'"''"'"""),  # dash, ash
        ("it's \\ `$so`", r"""+ : 'it'\''s \ `$so`'""", "+ : '***'"),  # bash traces
        ("it's \\ `$so`", r"""declare -- v="it's \\ \`\$so\`" x""", 'declare -- v="***" x'),
        ("~a:~ b#c*{d,e}", r"\~a:\~\ b#c\*\{d\,e\}", r"\~***"),  # printf %q
        ("it's\na\ttab\x1b\x01\\", r"$'it\'s\na\ttab\E\001\\'", "$'***'"),
        ("gün\nter", r"$'g\303\274n\nter' $'gün\nter'", "$'***' $'***'"),  # in C, in UTF-8
    ],
)
def test_a_secret_is_masked_as_shells_print_it(secret: str, printed: str, shown: str) -> None:
    assert _redacted(secret.encode(), printed) == shown


@pytest.mark.parametrize("secret", [b"abcdef0123456789", b"tok-en_1.2~3"])
def test_a_plain_secret_has_few_forms(secret: bytes) -> None:
    assert len(forms(secret)) <= 16


@given(st.binary(min_size=8, max_size=40), st.binary(max_size=4), st.binary(max_size=4))
def test_base64_of_base64_is_found_wherever_the_secret_lies(secret: bytes, before: bytes, after: bytes) -> None:
    core = secret.strip()
    assume(len(core) >= 8)

    twice = base64.b64encode(b"auth:" + base64.b64encode(before + core + after))

    assert any(form in twice for form in forms(core))
