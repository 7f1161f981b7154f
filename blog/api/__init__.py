"""The JSON interface: a separate Starlette application, so that every error below it is problem+json by construction."""

from starlette.applications import Starlette

from blog.api import docs
from blog.api.routes import routes
from blog.framework.response.problems import HANDLERS

# By hand: APIRouter. FastAPI's include_router() matches each route of each router in turn; a Mount is skipped by its prefix.
app = Starlette(routes=routes, exception_handlers=HANDLERS)
app.router.redirect_slashes = False  # Starlette's redirect contains the Host header sent by the client

__all__ = ["app", "docs"]
