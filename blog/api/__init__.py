"""The JSON door: a small Starlette of its own, so that every error below it is problem+json by construction."""

from starlette.applications import Starlette

from blog.api.routes import routes
from blog.http.problems import HANDLERS

# By hand: APIRouter. FastAPI's include_router() copies routes into one flat table; a Mount keeps the tree.
app = Starlette(routes=routes, exception_handlers=HANDLERS)

__all__ = ["app"]
