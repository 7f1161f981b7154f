"""Documentation of the API, mounted at /api: the OpenAPI document and a page that shows it."""

from itertools import groupby
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from blog.api import openapi
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.identity.authentication import session_cookie_name
from blog.framework.request.state import app_state
from blog.framework.response.cacheable import cacheable_response
from blog.framework.urls.urls import UrlBuilder
from blog.settings import Settings


class OpenAPIDocument(Endpoint):
    """/api/openapi.json: the OpenAPI 3.1 document."""

    async def get(self, request: Request) -> Response:
        """Return the document, or 304."""
        state = app_state(request)
        document = openapi.render_json(*document_parameters(state.site.title, state.site.settings, state.urls))
        return cacheable_response(request, document, "application/json")


class DocsPage(Endpoint):
    """/api/docs: a list of operations, and with JavaScript a page to try them."""

    async def get(self, request: Request) -> Response:
        """Return the page, or 304."""
        state = app_state(request)
        document = openapi.document(*document_parameters(state.site.title, state.site.settings, state.urls))
        page = state.templates.render("api/docs.html", document=document, groups=operations_by_tag(document))
        return cacheable_response(request, page.encode(), "text/html")


def document_parameters(title: str, settings: Settings, urls: UrlBuilder) -> tuple[str, str, str]:
    """Return the parameters of `openapi.document`: its title, the mount path of the API, the name of the session cookie."""
    return f"{title}: API", urls.path("api:posts").removesuffix("/posts"), session_cookie_name(settings)


def operations_by_tag(document: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the operations of each tag, with their method and path, in the order of the routes."""
    operations = [
        {"method": verb.upper(), "path": path, **operation}
        for path, item in document["paths"].items()
        for verb, operation in item.items()
    ]
    operations.sort(key=lambda operation: operation["tags"])  # stable: keeps the order of the routes within a tag
    return [(tags[0], list(group)) for tags, group in groupby(operations, key=lambda operation: operation["tags"])]


routes = [
    Route("/openapi.json", OpenAPIDocument, name="openapi"),
    Route("/docs", DocsPage, name="docs"),
]
