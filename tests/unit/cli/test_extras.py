import importlib

import pytest

from runner.cli.extras import of_daemon
from runner.errors import UsageError


def test_a_package_that_is_missing_is_named_with_what_installs_it() -> None:
    with pytest.raises(UsageError, match="no_such_package") as caught, of_daemon():
        importlib.import_module("no_such_package")

    assert "runner[daemon]" in caught.value.hint


def test_a_module_of_our_own_that_is_missing_is_an_error_of_the_runner() -> None:
    with pytest.raises(ModuleNotFoundError), of_daemon():
        importlib.import_module("runner.no_such_module")
