"""What all crash tests share."""

from collections.abc import Callable

import pytest


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Return what prints the figures that these tests are for."""

    def print_anyway(text: str) -> None:
        with capsys.disabled():
            print(f" {text}", end="", flush=True)  # noqa: T201 - nobody would see them otherwise

    return print_anyway
