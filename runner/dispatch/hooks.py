"""The hook behind async stages: whoever has its token may start one of a registered pipeline, with any payload.

It is what IBM's pages "Async, parallel stage runs" and "Updating the async stage webhooks" describe, with their names.
"""

import re
import secrets
from collections.abc import Mapping
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from runner.dispatch.offspring import HOOK
from runner.dispatch.registered import check_name
from runner.dispatch.requests import Hook, told_time
from runner.errors import UsageError
from runner.store.sql.hooks import HookRecord, new_token
from runner.store.sql.hooks import Hooks as Stored
from runner.store.sql.tables import HookKind

HEADER: Final = "x-async-stage-token"
"""What shows the token."""

SECRET: Final = "subpipeline-webhook-token"  # noqa: S105 - the name of a secret, and none itself
"""The secure property of the pipeline that is the token."""

FOLDER: Final = "/hooks/"
"""Where hooks are posted to."""

ENDING: Final = "/async-stage"

_TOKEN: Final = re.compile(r"[!-~]{32,256}")


class Hooks:
    """The hooks of all registered pipelines, each of which has one or none."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored

    def ensure(self, pipeline: str) -> bool:
        """Make the hook of a pipeline, and set its token, each if it is not there; return whether one was not.

        What is there is never changed, whoever else asks at the same moment.

        Raises:
            NotFoundError: there is no such pipeline.
        """
        return self._stored.ensure(pipeline, HOOK, HookKind.ASYNC, SECRET)

    def list(self, pipeline: str = "") -> tuple[Hook, ...]:
        """Return the hooks of a pipeline, or of all; raises NotFoundError."""
        return tuple(map(_shown, self._stored.all(pipeline)))

    def parameters(self, pipeline: str) -> Mapping[str, str]:
        """Return the parameters that the hook of a pipeline gives to async stages; raises NotFoundError."""
        return next((each.parameters for each in self._stored.all(pipeline) if each.name == HOOK), {})

    def rotate(self, pipeline: str, token: str = "") -> str:
        """Give a hook another token, any or this one, and return it; runs that go on do not mind.

        Raises:
            NotFoundError: there is no such pipeline, or it has no hook yet.
            UsageError: this can be no token.
        """
        if token and not _TOKEN.fullmatch(token):
            raise UsageError(
                "this can be no token of a hook", hint="32 to 256 visible ASCII characters; left out, one is made"
            )
        given = token or new_token()
        self._stored.rotate(pipeline, HOOK, SECRET, given)
        return given

    def check(self, pipeline: str, token: str) -> bool:
        """Whether this is the token of a pipeline's hook. Without a hook or a token of its own it is never so.

        It takes as long for a wrong one as for the right one, and as long where there is no such pipeline.
        """
        known = self._stored.token(pipeline, HOOK, SECRET)
        return secrets.compare_digest(_digest(token), _digest(known)) and bool(known)

    def set_parameter(self, pipeline: str, name: str, value: str) -> None:
        """Give async stages a parameter.

        Raises:
            NotFoundError: there is no such pipeline, or it has no hook yet.
            UsageError: none can have this name.
        """
        check_name("parameter", name)
        self._stored.set_parameter(pipeline, HOOK, name, value)

    def remove_parameter(self, pipeline: str, name: str) -> None:
        """Take a parameter away; raises NotFoundError."""
        self._stored.remove_parameter(pipeline, HOOK, name)


def _shown(record: HookRecord) -> Hook:
    return Hook(
        pipeline=record.pipeline,
        name=record.name,
        kind=record.kind,
        path=f"{FOLDER}{quote(record.pipeline, safe='')}{ENDING}",
        header=HEADER,
        secret=SECRET,
        parameters=record.parameters,
        created=told_time(record.created) or "",
        rotated=told_time(record.rotated),
    )


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
