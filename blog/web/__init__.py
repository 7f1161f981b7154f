"""The HTML door: pages and forms that work without a script."""

from starlette.routing import Router

from blog.web.handlers import HANDLERS
from blog.web.routes import routes

# Starlette's redirect to the path without a slash names the host that the client sent; `handlers` redirects without one.
app = Router(routes, redirect_slashes=False)

__all__ = ["HANDLERS", "app"]
