"""The app: every route, in front of it whoever may come in, and around it what answers when something fails."""

from fastapi import FastAPI

from runner import __version__
from runner.api import errors, health, hooks, pipelines, runs, streams
from runner.api.access import Access, Door
from runner.api.bodies import Encoded
from runner.api.common import PREFIX
from runner.api.follow import Followers
from runner.api.shell import Shells
from runner.dispatch.service import Service
from runner.settings import DaemonSettings


def make_app(service: Service, *, access: Access, followers: int = DaemonSettings.followers) -> FastAPI:
    """Return the API of a daemon, for its socket and for TCP: requests over the latter need the token of ``access``.

    Hooks have tokens of their own, over the socket as well.

    It describes itself at ``/api/v1/openapi.json``.
    """
    app = FastAPI(
        title="runner",
        version=__version__,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # its scripts would come from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    app.state.followers = Followers(followers)
    app.state.shells = Shells()
    for part in (health, runs, streams, pipelines, hooks):
        app.include_router(part.router)
    app.add_middleware(Encoded)
    errors.install(app)
    app.add_middleware(Door, access=access)
    return app
