"""What tells of the API, mounted at /api: the OpenAPI document and a page that shows it."""

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
    """/api/openapi.json — the OpenAPI 3.1 document."""

    async def get(self, request: Request) -> Response:
        """The document, or 304."""
        shared = app_state(request)
        return cacheable_response(
            request,
            openapi.render_json(*document_parameters(shared.site.title, shared.site.settings, shared.urls)),
            "application/json",
        )


class DocsPage(Endpoint):
    """/api/docs — the document for people: a plain list of operations, and with JavaScript a page to try them on."""

    async def get(self, request: Request) -> Response:
        """The page, or 304."""
        shared = app_state(request)
        document = openapi.document(*document_parameters(shared.site.title, shared.site.settings, shared.urls))
        page = shared.templates.render("api/docs.html", document=document, groups=operations_by_tag(document))
        return cacheable_response(request, page.encode(), "text/html")


def document_parameters(title: str, settings: Settings, links: UrlBuilder) -> tuple[str, str, str]:
    """What the document takes from its site: title, mount path, name of the session cookie."""
    return f"{title}: API", links.path("api:posts").removesuffix("/posts"), session_cookie_name(settings)


def operations_by_tag(document: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """The operations by tag: method, path, summary, description."""
    found = [
        {"method": verb.upper(), "path": path, **operation}
        for path, item in document["paths"].items()
        for verb, operation in item.items()
    ]
    found.sort(key=lambda operation: operation["tags"])  # the sort is stable: within a tag the order stays the routes'
    return [(tags[0], list(group)) for tags, group in groupby(found, key=lambda operation: operation["tags"])]


routes = [
    Route("/openapi.json", OpenAPIDocument, name="openapi"),
    Route("/docs", DocsPage, name="docs"),
]
