"""The HTML door: pages and forms that work without a script."""

from blog.web.handlers import HANDLERS
from blog.web.routes import routes

__all__ = ["HANDLERS", "routes"]
