"""The shim as it is mounted at ``layout.HOME``: one archive, made of the files in ``shim``."""

import hashlib
import io
from functools import cache
from pathlib import Path
from typing import Final

from runner.records import record

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
_SHIM: Final = Path(__file__).parent / "shim"


@record
class _Entry:
    """What lies at a path of the archive: a file with this content, a link, or else a folder."""

    path: str
    mode: int = 0o755
    content: bytes | None = None
    link: str = ""


@cache
def archive() -> bytes:
    """Return a tar of the entries ``bin/...`` and ``tools/...``, whose bytes depend on nothing but the shim's files.

    All belong to root and can be run by everybody; each name of ``COMMANDS`` is a link to ``pipelinectl`` beside it.
    """
    import tarfile  # noqa: PLC0415 - every run needs the digest, and hardly any the archive

    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for entry in _entries():
            content = entry.content or b""
            head = tarfile.TarInfo(entry.path)
            head.type = tarfile.SYMTYPE if entry.link else tarfile.DIRTYPE if entry.content is None else tarfile.REGTYPE
            head.linkname, head.mode, head.size = entry.link, entry.mode, len(content)
            tar.addfile(head, io.BytesIO(content))
    return stream.getvalue()


@cache
def digest() -> str:
    """Return what names the version of the shim: 12 hexadecimal digits of a SHA-256 of all that the archive holds."""
    return hashlib.sha256(repr(_entries()).encode()).hexdigest()[:12]


def _entries() -> list[_Entry]:
    """Return what the archive holds, in its order."""
    files = {f"bin/{_PROGRAM}": _SHIM / _PROGRAM} | {f"tools/{tool.name}": tool for tool in (_SHIM / "tools").iterdir()}
    entries = [_Entry(path="bin"), _Entry(path="tools")]
    entries += [_Entry(path=path, content=source.read_bytes()) for path, source in files.items()]
    entries += [_Entry(path=f"bin/{command}", mode=0o777, link=_PROGRAM) for command in COMMANDS]
    return sorted(entries, key=lambda entry: entry.path)
