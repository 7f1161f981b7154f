"""The HTML interface: pages and forms that work without JavaScript."""

from starlette.middleware import Middleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import Router

from blog.web.rendering.error_pages import HANDLERS, on_blog_error
from blog.web.rendering.unread_counts import UnreadCountsMiddleware
from blog.web.routes import routes

_EXPECTED = {kind: handler for kind, handler in HANDLERS.items() if kind is not Exception}

app = Router(
    routes,
    redirect_slashes=False,  # Starlette's redirect names the host that the client sent; `error_pages` redirects to a path
    middleware=[Middleware(UnreadCountsMiddleware), Middleware(ExceptionMiddleware, _EXPECTED)],
)

__all__ = ["HANDLERS", "app", "on_blog_error"]
