"""What tells of the live door, mounted at /api beside the document of the JSON API."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.state import app_state
from blog.framework.response.cacheable import cacheable_response
from blog.live import asyncapi


class AsyncAPIDocument(Endpoint):
    """/api/asyncapi.json — the AsyncAPI 3.0 document of /live."""

    async def get(self, request: Request) -> Response:
        """The document, or 304."""
        shared = app_state(request)
        title = f"{shared.site.title}: live updates"
        return cacheable_response(
            request, asyncapi.render_json(title, shared.urls.public_url, shared.urls.path("live")), "application/json"
        )


routes = [Route("/asyncapi.json", AsyncAPIDocument, name="asyncapi")]
