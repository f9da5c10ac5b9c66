"""Runs: submitted, listed, shown, cancelled, resumed, and run again."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from runner.api.bodies import EXACT, JsonRoute, Name, Word
from runner.api.common import FAILURES, PREFIX, Serving, done, shown
from runner.api.errors import JsonAnswer
from runner.dispatch.requests import Again, Submission, Submitted, Summary
from runner.errors import UsageError
from runner.plan import codec
from runner.records import record

router = APIRouter(prefix=f"{PREFIX}/runs", tags=["runs"], route_class=JsonRoute, responses=FAILURES)

_LARGEST: Final = 2**31 - 1
"""Whole numbers of a request stay within what every database takes."""


@record
class Cancelling:
    """How a run is cancelled: with ``force`` its steps are killed at once; ``children`` means its async stages, too."""

    force: bool = False
    children: bool = False


@record
class Summaries:
    """Runs, the newest first."""

    runs: list[Summary]


@router.post("", status_code=HTTPStatus.CREATED, response_model=Submitted)
def submit(request: Request, service: Serving, submission: Annotated[Submission, EXACT]) -> Response:
    """Submit a run. 200 and no id: nothing of it would run, and ``notes`` say why."""
    most = submission.max_parallel
    if abs(submission.priority) > _LARGEST or not (most is None or 1 <= most <= _LARGEST):
        raise UsageError("priority and max_parallel are numbers of at most 31 bits, the latter from 1 on")
    return _submitted(service.submit(submission, local=request.scope["local"]))


@router.get("", response_model=Summaries)
def runs(
    service: Serving,
    pipeline: Word = "",
    status: Word = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
) -> Response:
    """List runs, the newest first; ``before`` the number of one goes on from there."""
    found = service.runs(pipeline=pipeline, status=status, limit=limit, before=before)
    return JsonAnswer({"runs": [codec.encode(each) for each in found]})


@router.get("/{run}", response_model=dict[str, Any])
def report(service: Serving, run: Name) -> Response:
    """Show a run with its stages and steps: the document of ``runner show --output json``."""
    return JsonAnswer(service.report(run))


@router.get("/{run}/summary", response_model=Summary)
def summary(service: Serving, run: Name) -> Response:
    """Show a run as lists show it."""
    return shown(service.summary(run))


@router.get("/{run}/plan", response_model=dict[str, Any])
def plan(service: Serving, run: Name) -> Response:
    """Show what a run does: the document of ``runner compile --output json``."""
    return JsonAnswer(codec.to_document(service.plan(run)))


@router.post("/{run}/cancel", status_code=HTTPStatus.ACCEPTED, response_class=Response)
def cancel(service: Serving, run: Name, cancelling: Annotated[Cancelling, EXACT]) -> Response:
    """Have a run end before its time."""
    service.cancel(run, force=cancelling.force, children=cancelling.children)
    return done(HTTPStatus.ACCEPTED)


@router.post("/{run}/resume", status_code=HTTPStatus.ACCEPTED, response_class=Response)
def resume(service: Serving, run: Name) -> Response:
    """Have a run go on that is paused. 409: it is not."""
    service.resume(run)
    return done(HTTPStatus.ACCEPTED)


@router.post("/{run}/rerun", status_code=HTTPStatus.CREATED, response_model=Submitted)
def rerun(service: Serving, run: Name, again: Annotated[Again, EXACT]) -> Response:
    """Run it again, as a whole or from a stage on."""
    return _submitted(service.rerun(run, again))


def _submitted(submitted: Submitted) -> Response:
    return shown(submitted, HTTPStatus.CREATED if submitted.id else HTTPStatus.OK)
