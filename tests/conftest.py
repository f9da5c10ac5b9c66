"""Marks of tests. Cases that are ``sampled`` run in turns: see ``tests.support.sampling``."""

import os
import random

import pytest

from tests.support.sampling import MARK, left_out

_WAITING = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run take all cases, or those of an earlier run."""
    seed = os.environ.get("SEED") or random.randrange(1000)
    parser.addoption("--all", action="store_true", help=f"run every case, also all that are marked {MARK!r}")
    parser.addoption("--seed", type=int, default=seed, help="which cases are taken of those (default: $SEED, or any)")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marks known."""
    config.addinivalue_line("markers", "alone: it measures the machine, or minds what others have on the engine")
    config.addinivalue_line("markers", f"{MARK}: one of many cases, of which each run takes an eighth (--all: each)")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take the sample, unless all are wanted or tests were asked for by their names."""
    if config.option.all or any("::" in argument for argument in config.args):
        return
    waiting = left_out(items, config.option.seed)
    items[:] = [item for item in items if item not in waiting]
    config.stash[_WAITING] = len(waiting)
    config.hook.pytest_deselected(items=waiting)


def pytest_report_collectionfinish(config: pytest.Config) -> str:
    """Say what a run does without, and how it is repeated."""
    waiting = config.stash.get(_WAITING, 0)
    if not waiting:
        return ""
    return f"a sample: {waiting} cases wait for another turn (SEED={config.option.seed} repeats it, --all runs all)"
