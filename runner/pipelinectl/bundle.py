"""The shim as it is mounted at ``layout.HOME``: one archive, made of the files in ``shim``."""

import hashlib
import io
import tarfile
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

COMMANDS = (
    "set_env",
    "set_envc",
    "get_env",
    "list_env",
    "export_env",
    "set_secret",
    "get_secret",
    "list_secrets",
    "remove_secret",
    "save_file",
    "load_file",
    "list_files",
    "remove_file",
    "save_repo",
    "load_repo",
    "list_repos",
    "save_artifact",
    "load_artifact",
    "list_artifacts",
    "save_result",
    "load_result",
    "list_results",
    "put_data",
    "get_data",
    "save_asset",
    "load_asset",
    "save_evidence",
    "load_evidence",
    "delete_evidences",
    "save_string",
    "load_string",
    "trigger-task",
    "trigger_async_stage",
    "collect-evidence",
    "set-commit-status",
    "check-evidence-for-reuse",
    "set_return",
    "set_global",
    "set_link",
)
"""The names beside ``pipelinectl`` under which a step finds the shim; the shim's ``aliases`` are the same.

Not those that scripts have commands of their own for: ``skip``, ``stop``, ``pause``.
"""

_PROGRAM = "pipelinectl"


@cache
def archive() -> bytes:
    """Return a tar of the entries ``bin/...`` and ``tools/...``, whose bytes depend on nothing but the shim's files.

    All belong to root and can be run by everybody; each name of ``COMMANDS`` is a link to ``pipelinectl`` beside it.
    """
    shim = resources.files("runner.pipelinectl") / "shim"
    files = {f"bin/{_PROGRAM}": shim / _PROGRAM} | {f"tools/{tool.name}": tool for tool in (shim / "tools").iterdir()}
    entries = [_folder("bin"), _folder("tools")]
    entries += [_file(path, source) for path, source in files.items()]
    entries += [_link(f"bin/{command}") for command in COMMANDS]
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for entry, content in sorted(entries, key=lambda entry: entry[0].name):
            tar.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


@cache
def digest() -> str:
    """Return what names the version of the shim: 12 hexadecimal digits of the archive's SHA-256."""
    return hashlib.sha256(archive()).hexdigest()[:12]


def _folder(path: str) -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(path)
    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
    return entry, b""


def _file(path: str, source: Traversable) -> tuple[tarfile.TarInfo, bytes]:
    content = source.read_bytes()
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode = len(content), 0o755
    return entry, content


def _link(path: str) -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(path)
    entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, _PROGRAM, 0o777
    return entry, b""
