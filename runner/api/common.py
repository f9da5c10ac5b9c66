"""What all endpoints share: the service that they stand on, and how they answer."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import Depends
from starlette.requests import HTTPConnection
from starlette.responses import Response

from runner.api.errors import Failure, JsonAnswer
from runner.dispatch.service import Service
from runner.plan import codec

PREFIX: Final = "/api/v1"
FAILURES: Final[dict[int | str, dict[str, Any]]] = {"default": {"model": Failure, "description": "It has failed"}}
"""How every endpoint is documented to fail."""


async def _service(request: HTTPConnection) -> Service:
    service: Service = request.app.state.service
    return service


Serving = Annotated[Service, Depends(_service)]


def shown(value: object, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Return an answer that shows a value of ``dispatch.requests``; the names in it are those of its fields."""
    return JsonAnswer(codec.encode(value), status)


def done(status: HTTPStatus = HTTPStatus.NO_CONTENT) -> Response:
    """Return an answer without a body."""
    return Response(status_code=status)
