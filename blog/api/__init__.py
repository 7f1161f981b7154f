"""The JSON door: a small Starlette of its own, so that every error below it is problem+json by construction."""

from starlette.applications import Starlette

from blog.api import docs
from blog.api.routes import routes
from blog.framework.response.problems import HANDLERS

# By hand: APIRouter. FastAPI's include_router() asks every route of every router in turn; a Mount is passed over by its prefix.
app = Starlette(routes=routes, exception_handlers=HANDLERS)
app.router.redirect_slashes = False  # its redirect names the host that the client sent

__all__ = ["app", "docs"]
