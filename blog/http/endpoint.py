"""What all endpoint classes share: OPTIONS, and HEAD wherever GET is."""

from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import Response


class Endpoint(HTTPEndpoint):
    """One path. The class owns its verbs: Starlette answers 405 with `Allow` for the rest and HEAD by `get`."""

    async def options(self, request: Request) -> Response:
        """204 with the verbs of this path."""
        return Response(status_code=204, headers={"Allow": ", ".join(self._allowed_methods)})
