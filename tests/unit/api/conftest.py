"""One server for the tests of a module, on a socket and on TCP; each test has a service of its own behind it."""

from collections.abc import Iterator

import httpx
import pytest
import structlog
from structlog.typing import EventDict

from runner.api.access import Access
from runner.api.app import make_app
from runner.api.server import Server
from tests.support.services import TOKEN, Api, FakeService


@pytest.fixture(scope="module")
def _served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    service = FakeService()
    app = make_app(service, access=Access(token=TOKEN, hosts=frozenset({"ci.example"})), followers=250)
    socket = tmp_path_factory.mktemp("api") / "runner.sock"
    server = Server(app, socket, "127.0.0.1:0")
    server.start()
    yield Api(app=app, server=server, socket=socket, service=service)
    server.stop()


@pytest.fixture
def api(_served: Api) -> Api:
    service = FakeService()
    _served.app.state.service = service
    return Api(app=_served.app, server=_served.server, socket=_served.socket, service=service)


@pytest.fixture
def service(api: Api) -> FakeService:
    return api.service


@pytest.fixture
def client(api: Api) -> Iterator[httpx.Client]:
    """Over the socket."""
    with api.local() as client:
        yield client


@pytest.fixture(autouse=True)
def noted() -> Iterator[list[EventDict]]:
    """What is written to the log of the daemon."""
    with structlog.testing.capture_logs() as noted:
        yield noted
    structlog.reset_defaults()  # whoever writes next asks anew where to
