"""How the daemon is, for whoever watches it."""

from http import HTTPStatus

from fastapi import APIRouter
from starlette.responses import Response

from runner.api.access import HEALTH
from runner.api.common import FAILURES, Serving, shown
from runner.dispatch.requests import Health

router = APIRouter(tags=["health"], responses=FAILURES)


@router.get(HEALTH, response_model=Health)
def health(service: Serving) -> Response:
    """Tell how the daemon is: 200 while new runs begin, 503 otherwise, and why."""
    found = service.health()
    return shown(found, HTTPStatus.OK if found.status == "ok" else HTTPStatus.SERVICE_UNAVAILABLE)
