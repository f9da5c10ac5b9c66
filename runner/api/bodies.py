"""What comes in a request: JSON that is exactly of the type that an endpoint takes, and not too much of it."""

import asyncio
import re
from collections.abc import Callable, Coroutine
from email.message import Message
from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import unquote

from fastapi import Path, Query, Request
from fastapi.routing import APIRoute
from pydantic import AfterValidator, ConfigDict, GetCoreSchemaHandler, TypeAdapter
from pydantic_core import CoreSchema, core_schema
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from runner.api.errors import Refusal

MOST_BYTES: Final = 16 << 20
"""How large a body may be; it holds a pipeline with its payload."""

SECONDS: Final = 30.0
"""How long a client may take to send it."""

_JSON: Final = "application/json"
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_NO_NUL: Final = "a character of code 0 has no place in a text"
_CLOSE: Final = {"Connection": "close"}


class Exact:
    """Marks the parameter that is the body: keys that its type does not have are refused, and so is ``"3"`` for a 3."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401
        """Read the bytes of a body as a ``source``; this is how pydantic asks (``Any``: as it does)."""
        # A dataclass takes no configuration from outside, a union hands it on to all that are in it.
        adapter = TypeAdapter[object](source | None, config=ConfigDict(extra="forbid", strict=True))

        def read(raw: object, _inner: object) -> object:
            if not isinstance(raw, bytes):
                raise TypeError("a body is read from bytes")
            if _NUL.search(raw):
                raise ValueError(_NO_NUL)
            value = adapter.validate_json(raw)
            if value is None:
                raise ValueError("null is not an object")
            return value

        return core_schema.no_info_wrap_validator_function(read, handler(source))


EXACT: Final = Exact()


class JsonRoute(APIRoute):
    """A route whose body is bounded JSON, given to ``Exact`` as it came."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what handles a request."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await handler(_JsonRequest(request.scope, request.receive))

        return handle


class _JsonRequest(Request):
    async def body(self) -> bytes:
        """Read the body; a form, or what a page can send elsewhere without being asked, is none."""
        media = Message()
        media["content-type"] = self.headers.get("content-type", "text/plain")
        if media.get_content_type() != _JSON:
            raise Refusal(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "this is not JSON", hint=f"send it with Content-Type: {_JSON}"
            )
        if not hasattr(self, "_body"):
            try:
                async with asyncio.timeout(SECONDS):
                    self._body = await self._read()
            except TimeoutError:
                raise Refusal(
                    HTTPStatus.REQUEST_TIMEOUT, f"the body has not come within {SECONDS:g} s", headers=_CLOSE
                ) from None
        return self._body

    async def json(self) -> bytes:
        """Return it as it is: ``Exact`` reads it."""
        return await self.body()

    async def _read(self) -> bytes:
        body = bytearray()
        async for piece in self.stream():
            body += piece
            if len(body) > MOST_BYTES:
                raise Refusal(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    f"the body is larger than {MOST_BYTES >> 20} MiB",
                    headers=_CLOSE,
                )
        return bytes(body)


def _whole(text: str) -> str:
    if "\0" in text:
        raise ValueError(_NO_NUL)
    return text


Word = Annotated[str, Query(max_length=1000), AfterValidator(_whole)]
"""A part of a query that names something."""

Name = Annotated[str, Path(max_length=1000), AfterValidator(unquote), AfterValidator(_whole)]
"""A part of a path that names something; percent-encoded, ``/`` too (``%2F``), see ``Encoded``."""


class Encoded:
    """Has routes match a path as it was sent, percent-encoded: names with a ``/`` stay one part of it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if "raw_path" in scope:
            scope["path"] = scope["raw_path"].decode("latin-1")
        await self._app(scope, receive, send)
