import subprocess
import sys

import pytest

from runner import diagnostics

TROUBLE = """
import sys
from runner import diagnostics
assert "structlog" not in sys.modules
try:
    raise ValueError("a cause")
except ValueError:
    diagnostics.failed("a listener failed", who="me")
diagnostics.warn("odd", count=3)
"""

LEAKS = """
from runner import diagnostics
from runner.logs.mask import Mask

mask, other = Mask(), Mask()
mask.hide(b'hunter22 & "the word"')
other.hide(b"geheimnis")

def fails(password):
    raise ValueError(f"no such user: {password}")

def tell():
    password = 'hunter22 & "the word"'
    try:
        fails(password)
    except ValueError:
        url = "?p=hunter22%20%26%20%22the%20word%22"
        diagnostics.failed(f"cannot log in with {password}", url=url, facts=[password])
    diagnostics.warn("odd: geheimnis")

with diagnostics.redact_by(mask.redact), diagnostics.redact_by(other.redact):
    tell()
"""


def _stderr(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr


def test_trouble_is_written_to_stderr_with_its_facts_and_traceback() -> None:
    told = _stderr(TROUBLE)

    for word in ("warning", "a listener failed", "who", "me", "ValueError: a cause", "odd", "count", "3"):
        assert word in told


def test_structlog_is_imported_only_when_there_is_something_to_say() -> None:
    check = "import sys, runner.cli.execution; sys.exit('structlog' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_no_secret_of_any_run_is_in_what_goes_wrong_nor_in_its_traceback() -> None:
    told = _stderr(LEAKS)

    assert "cannot log in with ***" in told
    assert "ValueError: no such user: ***" in told
    assert "odd: ***" in told
    assert not [secret for secret in ("hunter22", "geheimnis") if secret in told]
    assert "url='?p=***'" in told


def test_a_traceback_shows_no_variables_since_nobody_knows_what_is_in_them() -> None:
    script = LEAKS.replace("    raise", "    unknown = 'sword' + 'fish'\n    raise")

    assert "swordfish" not in _stderr(script)


def test_a_text_is_redacted_by_all_who_may_and_only_as_long() -> None:
    with diagnostics.redact_by(lambda text: text.replace("one", "***")):
        with diagnostics.redact_by(lambda text: text.replace("two", "***")):
            assert diagnostics.redacted("one two") == "*** ***"
        assert diagnostics.redacted("one two") == "*** two"

    assert diagnostics.redacted("one two") == "one two"


def test_two_runs_may_redact_by_the_same_function() -> None:
    def shout(text: str) -> str:
        return text + "!"

    with diagnostics.redact_by(shout):
        with diagnostics.redact_by(shout):
            assert diagnostics.redacted("a") == "a!!"
        assert diagnostics.redacted("a") == "a!"


def test_after_an_error_redaction_goes_on_since_somebody_will_print_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnostics, "_redacts", [])

    with pytest.raises(ZeroDivisionError), diagnostics.redact_by(lambda _: "gone"):
        raise ZeroDivisionError

    assert diagnostics.redacted("a") == "gone"
