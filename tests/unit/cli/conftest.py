"""What tests of commands share that speak to a daemon."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.remote import Remote, remote_at


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Remote]:
    """Have commands of this process speak to a stand in the place of a daemon."""
    yield from remote_at(tmp_path / "data", monkeypatch, capfd)
