"""Small git repositories, made by the git command without what its user or machine has configured."""

import os
import subprocess
from pathlib import Path

AUTHOR = "Ada Lovelace"


class Repository:
    """A repository in a directory, on the branch ``main``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch", "main")

    def git(self, *arguments: str) -> str:
        """Run git in it; return what it prints."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": AUTHOR,
            "GIT_AUTHOR_EMAIL": "ada@example.org",
            "GIT_COMMITTER_NAME": "Someone Else",
            "GIT_COMMITTER_EMAIL": "else@example.org",
        }
        done = subprocess.run(["git", "-C", self.root, *arguments], env=environment, check=True, capture_output=True)
        return done.stdout.decode().strip()

    def write(self, path: str, text: str = "text\n") -> Path:
        """Write a file, which git does not know of yet."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def commit(self, *paths: str, message: str = "a commit") -> str:
        """Write these files and commit them; return the commit's hash."""
        for path in paths:
            self.write(path, f"{path} of {message}\n")
            self.git("add", path)
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")
