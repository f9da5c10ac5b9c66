"""The configuration of one attempt: files in memory that no other step sees, and no disk holds.

Its volume is there as long as the container runs, so it is filled while that stands at its gate.
"""

import tarfile
import time
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from runner.backends.docker.client import Engine, translated
from runner.backends.docker.helper import archive, directory
from runner.backends.docker.hostconfig import Placement, gated
from runner.engine.specs import StepSpec
from runner.errors import InfrastructureError
from runner.pipelinectl.layout import CONFIG

_FILE_MODE, _FOLDER_MODE = 0o644, 0o755


def check(spec: StepSpec) -> None:
    """Refuse a configuration of its own to a step that starts without a gate.

    Raises:
        InfrastructureError: it is such a step.
    """
    if spec.own_config and not gated(spec):
        message = f"{spec.address}: what its image runs would start before its configuration is there"
        raise InfrastructureError(message, hint="give the step commands or a script")


def fill(
    engine: Engine, container: str, spec: StepSpec, placement: Placement, files: Mapping[PurePosixPath, bytes]
) -> None:
    """Put files where a running container has a configuration of its own, for every user to read; 40 ms.

    Nothing happens where it has none, or mounts something else there.

    Raises:
        InfrastructureError: the engine does not let us.
    """
    if spec.own_config and files and any(mount["Target"] == CONFIG for mount in placement.mounts):
        with translated(f"{spec.address}: writing its configuration"):
            engine.api.put_archive(container, CONFIG, archive(_members(files)))


def _members(files: Mapping[PurePosixPath, bytes]) -> Iterable[tuple[tarfile.TarInfo, bytes]]:
    folders = {folder for path in files for folder in path.parents} - {PurePosixPath()}
    for folder in sorted(folders):
        yield directory(str(folder), mode=_FOLDER_MODE, uid=0, gid=0, modified=time.time()), b""
    for path, content in files.items():
        member = tarfile.TarInfo(str(path))
        member.mode = _FILE_MODE
        yield member, content
