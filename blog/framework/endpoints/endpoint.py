"""Base classes of endpoints: OPTIONS and HEAD everywhere, and `Idempotency-Key` in the JSON API."""

from typing import ClassVar

from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import Response

from blog.framework.endpoints import idempotency
from blog.framework.request.state import app_state


class Endpoint(HTTPEndpoint):
    """One path. A method per verb: Starlette answers HEAD with `get`, and 405 with `Allow` for missing verbs."""

    is_cacheable: ClassVar[bool] = False
    """Whether `get` may call `cache_until_event`."""

    async def options(self, request: Request) -> Response:
        """Return 204 with the verbs of this path."""
        return Response(status_code=204, headers={"Allow": ", ".join(self._allowed_methods)})


class ApiEndpoint(Endpoint):
    """One path of the JSON API."""

    def body_limit(self, request: Request) -> int:
        """Return the maximum body size of a POST with a key, in bytes."""
        return app_state(request).site.settings.max_body_bytes

    async def prepare(self, request: Request) -> None:
        """Make the changes of a POST with a key that remain if the request fails, such as audit records of failed sign-ins.

        Store the result in the request's state.
        """

    async def dispatch(self) -> None:
        """Call the method for the verb. A POST with an `Idempotency-Key` runs in one transaction.

        Not in a middleware: a transaction belongs to the task that opens it.
        """
        request = Request(self.scope, self.receive)
        post = getattr(self, "post", None)
        if request.method != "POST" or post is None or idempotency.HEADER not in request.headers:
            await super().dispatch()
            return
        response = await idempotency.run_idempotently(request, post, self.prepare, self.body_limit(request))
        await response(self.scope, self.receive, self.send)
