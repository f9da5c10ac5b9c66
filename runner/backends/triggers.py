"""What fake steps ask for as ``trigger-task`` does."""

import json
import time
from collections.abc import Iterable, Mapping

from runner import naming
from runner.pipelinectl import layout
from runner.pipelinectl.layout import Kind
from runner.pipelinectl.payload import VERSION
from runner.pipelinectl.values import Store, values_of


def requests_of(store: Mapping[str, bytes], stages: Iterable[str]) -> dict[str, bytes]:
    """Return a request, by its name, for each of these stages that the store declares, with what it holds now."""
    declared = [stage for stage in stages if layout.file_name(Kind.ASYNC, stage) in store]
    return {f"{naming.new_run_id()}.{stage}": _frozen(store) for stage in declared}


def _frozen(store: Mapping[str, bytes]) -> bytes:
    """Return a store as ``serialize`` prints it for an async stage."""
    found = values_of(Store(contents=store))
    document = {
        "version": VERSION,
        "at": time.monotonic(),
        "marked": [key for key in found["exported"] if key not in found["env"]],
        "env": {key: found["env"][key] for key in found["exported"] if key in found["env"]},
        "repositories": found["repos"],
        "artifacts": found["artifacts"],
    }
    return json.dumps(document).encode() + b"\n"
