"""The shim under each shell, with empty stores for each test."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.shim import SHELLS, Shim, installed, public_folder


@pytest.fixture(scope="session")
def homes() -> Iterator[dict[str, Path]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(installed(name)) for name in SHELLS}


@pytest.fixture(params=SHELLS)
def shim(request: pytest.FixtureRequest, homes: dict[str, Path]) -> Iterator[Shim]:
    with public_folder() as root:
        yield Shim(name=request.param, home=homes[request.param], root=root)
