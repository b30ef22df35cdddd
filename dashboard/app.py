"""The web application: pages for people, the HTTP API for products, numbers for whoever watches the process."""

import hashlib

from fastapi import Depends, FastAPI
from starlette.middleware.sessions import SessionMiddleware
from starlette.staticfiles import StaticFiles

from dashboard import acts, api, metrics, pages
from dashboard.errors import answer_errors
from dashboard.feed import Feed
from dashboard.fragments import read_fragments
from dashboard.rendering import FOLDER
from dashboard.security import LOOPBACK_HOSTS, Fence
from dashboard.sessions import MAX_AGE, Sessions, cookie_secret
from loop.wiring import Workspace


def create_app(workspace: Workspace, *, is_loopback: bool = True) -> FastAPI:
    """One application over one workspace, which its caller closes.

    Args:
        workspace: settings, stores, clock, environment.
        is_loopback: only names of this machine are served, and cookies travel without TLS.
    """
    app = FastAPI(title="AMSO", openapi_url=None, docs_url=None, redoc_url=None)
    app.state.workspace = workspace
    app.state.sessions = Sessions()
    app.state.meters = metrics.Meters(workspace.knowledge)
    app.state.feed = Feed(lambda: read_fragments(workspace))
    app.mount("/static", StaticFiles(directory=FOLDER / "static"), name="static")
    app.include_router(api.router)
    app.include_router(metrics.router)
    app.add_api_route("/metrics", metrics.metrics, dependencies=[Depends(api.need_service)])
    app.include_router(pages.router)
    app.include_router(acts.router)
    answer_errors(app)
    secret = cookie_secret(workspace.data_dir)
    name = hashlib.sha256(secret.encode()).hexdigest()[:8]  # browsers share cookies among the ports of a host
    app.add_middleware(
        SessionMiddleware,
        secret_key=secret,
        session_cookie=f"amso_{name}",
        max_age=int(MAX_AGE.total_seconds()),
        same_site="strict",
        https_only=not is_loopback,
    )
    app.add_middleware(Fence, hosts=LOOPBACK_HOSTS if is_loopback else None)  # outermost: it sees every answer
    return app
