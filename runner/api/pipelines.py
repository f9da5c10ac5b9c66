"""Registered pipelines, with their properties and secrets."""

from dataclasses import field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter
from starlette.responses import Response

from runner.api.bodies import EXACT, JsonRoute, Name
from runner.api.common import FAILURES, PREFIX, Serving, done, shown
from runner.api.errors import JsonAnswer
from runner.dispatch.requests import Definition, Pipeline
from runner.plan import codec
from runner.records import record

router = APIRouter(prefix=f"{PREFIX}/pipelines", tags=["pipelines"], route_class=JsonRoute, responses=FAILURES)


@record
class Value:
    """What a property or a secret is set to."""

    value: str = field(repr=False)


@record
class Pipelines:
    """Registered pipelines, by name."""

    pipelines: list[Pipeline]


@router.get("", response_model=Pipelines)
def pipelines(service: Serving) -> Response:
    """List the registered pipelines."""
    return JsonAnswer({"pipelines": [codec.encode(each) for each in service.pipelines()]})


@router.get("/{name}", response_model=Pipeline)
def pipeline(service: Serving, name: Name) -> Response:
    """Show a registered pipeline; of its secrets the names."""
    return shown(service.pipeline(name))


@router.put("/{name}", response_model=Pipeline)
def register(service: Serving, name: Name, definition: Annotated[Definition, EXACT]) -> Response:
    """Register a pipeline, or change where its file is."""
    return shown(service.register(name, definition))


@router.delete("/{name}", status_code=HTTPStatus.NO_CONTENT)
def forget(service: Serving, name: Name) -> Response:
    """Forget a pipeline with its properties and secrets; its runs stay."""
    service.forget(name)
    return done()


@router.put("/{name}/properties/{key}", status_code=HTTPStatus.NO_CONTENT)
def set_property(service: Serving, name: Name, key: Name, given: Annotated[Value, EXACT]) -> Response:
    """Give a pipeline a property."""
    service.set_property(name, key, given.value)
    return done()


@router.delete("/{name}/properties/{key}", status_code=HTTPStatus.NO_CONTENT)
def remove_property(service: Serving, name: Name, key: Name) -> Response:
    """Take a property away."""
    service.remove_property(name, key)
    return done()


@router.put("/{name}/secrets/{key}", status_code=HTTPStatus.NO_CONTENT)
def set_secret(service: Serving, name: Name, key: Name, given: Annotated[Value, EXACT]) -> Response:
    """Give a pipeline a secret, which is kept sealed and never shown."""
    service.set_secret(name, key, given.value)
    return done()


@router.delete("/{name}/secrets/{key}", status_code=HTTPStatus.NO_CONTENT)
def remove_secret(service: Serving, name: Name, key: Name) -> Response:
    """Take a secret away."""
    service.remove_secret(name, key)
    return done()
