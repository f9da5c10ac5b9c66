"""What tests of repositories from elsewhere share: a watch, sources of this machine, and what a run would see."""

import os
import subprocess
from pathlib import Path

from runner.clock import Deadline
from runner.settings import GitSettings
from runner.workspace.git.credentials import Credentials
from runner.workspace.git.process import Wanted, Watch
from runner.workspace.git.sources import Sources
from runner.workspace.git.spec import SourceSpec
from tests.support.repositories import Repository

LOCAL = GitSettings(protocols=("file",), pause=0.05, stall=10.0, total=60.0)


def watch(*, total: float | None = 30.0, stall: float = 10.0, wanted: Wanted = lambda: True) -> Watch:
    """Return a watch that sees to it that no test hangs."""
    return Watch(deadline=Deadline(total), stall=stall, wanted=wanted)


def sources(mirrors: Path, settings: GitSettings = LOCAL, credentials: Credentials | None = None) -> Sources:
    """Return sources that take repositories of this machine."""
    return Sources(mirrors, settings, credentials or Credentials())


def spec(repository: Repository, *, commit: str = "", ref: str = "", history: bool = False) -> SourceSpec:
    """Return what is wanted of a repository of this machine."""
    return SourceSpec(url=str(repository.root), commit=commit, ref=ref, history=history)


def asked(tree: Path, *arguments: str) -> str:
    """Return what git says in a tree, as it would inside a container: with no configuration but that of the tree."""
    environment = {
        "PATH": os.environ["PATH"],
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_CEILING_DIRECTORIES": str(tree.parent),
    }
    done = subprocess.run(["git", "-C", tree, *arguments], env=environment, check=True, capture_output=True)
    return done.stdout.decode().strip()


def slots(mirrors: Path) -> list[Path]:
    """Return the slots of all repositories that hold a finished tree."""
    return sorted(path.parent for path in mirrors.glob("*/trees/*/key"))
