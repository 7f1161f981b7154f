"""What all endpoint classes share: OPTIONS, HEAD wherever GET is; those of the JSON API also `Idempotency-Key`."""

from typing import ClassVar

from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import Response

from blog.framework.endpoints import idempotency
from blog.framework.request.state import app_state


class Endpoint(HTTPEndpoint):
    """One path. The class owns its verbs: Starlette answers 405 with `Allow` for the rest and HEAD by `get`."""

    is_cacheable: ClassVar[bool] = False
    """Does `get` share its answers with all strangers, by `share`?"""

    async def options(self, request: Request) -> Response:
        """204 with the verbs of this path."""
        return Response(status_code=204, headers={"Allow": ", ".join(self._allowed_methods)})


class ApiEndpoint(Endpoint):
    """One path of the JSON API."""

    def body_limit(self, request: Request) -> int:
        """Bytes that a POST with a key may send."""
        return app_state(request).site.settings.max_body_bytes

    async def prepare(self, request: Request) -> None:
        """What a POST with a key can do before the lock is taken: slow work, whose outcome goes into the request's state."""

    async def dispatch(self) -> None:
        """Answer; a POST with an `Idempotency-Key` in one transaction, which must belong to this very task."""
        request = Request(self.scope, self.receive)
        post = getattr(self, "post", None)
        if request.method != "POST" or post is None or idempotency.HEADER not in request.headers:
            await super().dispatch()
            return
        response = await idempotency.run_idempotently(request, post, self.prepare, self.body_limit(request))
        await response(self.scope, self.receive, self.send)
