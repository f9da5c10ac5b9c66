import subprocess
import sys

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


def test_trouble_is_written_to_stderr_with_its_facts_and_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", TROUBLE], capture_output=True, text=True, check=True)

    assert done.stdout == ""
    for word in ("a listener failed", "who", "me", "ValueError: a cause", "odd", "count", "3"):
        assert word in done.stderr


def test_structlog_is_imported_only_when_there_is_something_to_say() -> None:
    check = "import sys, runner.cli.execution; sys.exit('structlog' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
