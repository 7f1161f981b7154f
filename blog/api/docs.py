"""Documentation of the API, mounted at /api: the OpenAPI document and a page that shows it."""

from functools import lru_cache

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from blog.api import openapi
from blog.api.docs_page import DocsPageContent
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.identity.authentication import session_cookie_name
from blog.framework.request.state import app_state
from blog.framework.request.theme_cookie import theme_from_cookies
from blog.framework.response.cacheable import cacheable_response
from blog.framework.templating.templating import Templates
from blog.framework.urls.urls import UrlBuilder
from blog.schemas.theme import Theme
from blog.settings import Settings


class OpenAPIDocument(Endpoint):
    """/api/openapi.json: the OpenAPI 3.1 document."""

    async def get(self, request: Request) -> Response:
        """Return the document, or 304."""
        state = app_state(request)
        document = openapi.render_json(*document_parameters(state.site.title, state.site.settings, state.urls))
        return cacheable_response(request, document, "application/json")


class DocsPage(Endpoint):
    """/api/docs: all operations and schemas, and with JavaScript a form to send a request."""

    async def get(self, request: Request) -> Response:
        """Return the page in the theme of the reader, or 304."""
        state = app_state(request)
        parameters = document_parameters(state.site.title, state.site.settings, state.urls)
        theme = theme_from_cookies(request.headers.get("cookie", ""))
        page = await anyio.to_thread.run_sync(_render_page, state.templates, parameters, state.urls.public_url, theme)
        response = cacheable_response(request, page, "text/html")
        response.headers.add_vary_header("Cookie")
        return response


@lru_cache(maxsize=8)
def _render_page(templates: Templates, parameters: tuple[str, str, str], base_url: str, theme: Theme) -> bytes:
    """Return the page; cached, because it takes half a second."""
    content = DocsPageContent(openapi.document(*parameters), base_url)
    return templates.render("api/docs.html", content=content, theme=theme).encode()


def document_parameters(title: str, settings: Settings, urls: UrlBuilder) -> tuple[str, str, str]:
    """Return the parameters of `openapi.document`: its title, the mount path of the API, the name of the session cookie."""
    return f"{title}: API", urls.path("api:posts").removesuffix("/posts"), session_cookie_name(settings)


routes = [
    Route("/openapi.json", OpenAPIDocument, name="openapi"),
    Route("/docs", DocsPage, name="docs"),
]
