"""What comes bit by bit: the events of a run, its logs, and a shell where one of its steps ran."""

from functools import partial

from fastapi import APIRouter, Request, WebSocket
from starlette.responses import Response

from runner.api import follow
from runner.api.bodies import Name, Word
from runner.api.common import FAILURES, PREFIX, Serving
from runner.api.download import Download
from runner.api.follow import Following
from runner.engine.backend import Terminal

router = APIRouter(prefix=f"{PREFIX}/runs", tags=["streams"], responses=FAILURES)


@router.get(
    "/{run}/events",
    response_class=Response,
    responses={200: {"content": {follow.MEDIA_TYPE: {}}, "description": "Its events and lines, and its document"}},
)
def events(request: Request, service: Serving, run: Name) -> Response:
    """Tell a run from its beginning, and go on as it goes on: server-sent events, each with a document of JSON.

    The last one, `end`, has the document of the run, which has ended or is paused. It can be asked for again: a stream
    that ends without it was cut, and a run of which it says `running` was resumed meanwhile.
    """
    return Following(service.feed(run), partial(service.report, run), request.app.state.followers)


@router.get(
    "/{run}/logs",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "What its steps have printed by now"}},
)
def logs(service: Serving, run: Name, stage: Word = "", step: Word = "") -> Response:
    """Give what steps have printed: of one step as it is, of more with ``stage/step | `` before each line."""
    return Download(service.log(run, stage, step))


@router.websocket("/{run}/shell")
async def shell(websocket: WebSocket, service: Serving, run: Name, stage: Word = "", step: Word = "") -> None:
    """Open a shell where a step ran."""

    def opened(terminal: Terminal) -> None:
        service.shell(run, stage, step, terminal)

    await websocket.app.state.shells.serve(websocket, opened)
