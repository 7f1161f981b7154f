"""The HTML door: pages and forms that work without a script."""

from starlette.middleware import Middleware
from starlette.routing import Router

from blog.web.rendering.error_pages import HANDLERS
from blog.web.rendering.unread_counts import UnreadCountsMiddleware
from blog.web.routes import routes

# Starlette's redirect to the path without a slash names the host that the client sent; `handlers` redirects without one.
app = Router(routes, redirect_slashes=False, middleware=[Middleware(UnreadCountsMiddleware)])

__all__ = ["HANDLERS", "app"]
