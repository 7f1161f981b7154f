"""The AsyncAPI document of the live interface, mounted at /api like the OpenAPI document."""

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
        """Return the document, or 304."""
        state = app_state(request)
        document = asyncapi.render_json(f"{state.site.title}: live updates", state.urls.public_url, state.urls.path("live"))
        return cacheable_response(request, document, "application/json")


routes = [Route("/asyncapi.json", AsyncAPIDocument, name="asyncapi")]
