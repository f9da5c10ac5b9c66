"""Hooks: what is posted to them from elsewhere, and what their owners ask about them."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Request
from starlette.responses import Response

from runner.api.bodies import EXACT, JsonRoute, Name
from runner.api.common import FAILURES, PREFIX, Serving, done, shown
from runner.api.errors import JsonAnswer
from runner.api.pipelines import Value
from runner.dispatch.hooks import ENDING, FOLDER, HEADER
from runner.dispatch.requests import Hook, HookToken
from runner.pipelinectl.payload import VERSION
from runner.plan import codec
from runner.records import record

router = APIRouter(tags=["hooks"], route_class=JsonRoute, responses=FAILURES)

_OF_ONE: Final = f"{PREFIX}/pipelines/{{name}}/hooks"
_PAYLOAD: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["version", "stage"],
    "properties": {
        "version": {"const": VERSION},
        "stage": {"type": "string", "description": "An async stage that the pipeline declares"},
        "env": {"type": "object", "additionalProperties": {"type": "string"}},
        "repositories": {"type": "object", "description": "Properties by key, as save_repo registers them"},
        "artifacts": {"type": "object", "description": "Properties by key, as save_artifact registers them"},
    },
}
"""What ``pipelinectl.payload`` reads; of its further keys runs of our own have need."""


@record
class Hooks:
    """Hooks, by pipeline."""

    hooks: list[Hook]


@record
class Started:
    """The run that a hook has started."""

    id: str


_Token = Annotated[str, Header(alias=HEADER)]


def _admitted(service: Serving, name: Name, token: _Token = "") -> str:
    service.admit(name, token)
    return token


async def _posted(request: Request, token: Annotated[str, Depends(_admitted)]) -> tuple[str, bytes]:
    """Read the body of whoever may send one: of others no byte is kept."""
    return token, await request.body()


@router.post(
    f"{FOLDER}{{name}}{ENDING}",
    status_code=HTTPStatus.CREATED,
    response_model=Started,
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": _PAYLOAD}}}},
)
def trigger(service: Serving, name: Name, posted: Annotated[tuple[str, bytes], Depends(_posted)]) -> Response:
    """Start an async stage of a pipeline, with the state in the body; the header shows the token of the hook."""
    return shown(Started(id=service.trigger(name, *posted).id), HTTPStatus.CREATED)


@router.get(f"{PREFIX}/hooks", response_model=Hooks)
def hooks(service: Serving) -> Response:
    """List the hooks of all pipelines."""
    return _listed(service.hooks())


@router.get(_OF_ONE, response_model=Hooks)
def hooks_of_one(service: Serving, name: Name) -> Response:
    """List the hooks of a pipeline."""
    return _listed(service.hooks(name))


@router.post(f"{_OF_ONE}/rotate", response_model=HookToken)
def rotate(service: Serving, name: Name, wanted: Annotated[HookToken, EXACT]) -> Response:
    """Give the hook of a pipeline another token, which is shown this once; the one before opens nothing any more."""
    return shown(HookToken(token=service.rotate_hook(name, wanted.token)))


@router.put(f"{_OF_ONE}/parameters/{{key}}", status_code=HTTPStatus.NO_CONTENT)
def set_parameter(service: Serving, name: Name, key: Name, given: Annotated[Value, EXACT]) -> Response:
    """Give async stages of a pipeline a parameter."""
    service.set_parameter(name, key, given.value)
    return done()


@router.delete(f"{_OF_ONE}/parameters/{{key}}", status_code=HTTPStatus.NO_CONTENT)
def remove_parameter(service: Serving, name: Name, key: Name) -> Response:
    """Take a parameter of async stages away."""
    service.remove_parameter(name, key)
    return done()


def _listed(found: tuple[Hook, ...]) -> Response:
    return JsonAnswer({"hooks": [codec.encode(each) for each in found]})
