"""Feature flags as JSON."""

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.site import feature_flags
from blog.framework.endpoints.endpoint import ApiEndpoint
from blog.framework.endpoints.openapi_operations import operation
from blog.framework.request.context import signed_in
from blog.framework.request.parsing import read_json
from blog.framework.response.json import as_array, as_json
from blog.schemas.accounts import Scope
from blog.schemas.feature_flags import FlagChange, FlagOut


class FlagList(ApiEndpoint):
    """/api/v1/flags — what is switched on."""

    @operation("Read all flags", answers={200: list[FlagOut]}, scope=Scope.ADMIN)
    async def get(self, request: Request) -> Response:
        """All of them as one array; for owners."""
        return as_array([FlagOut.model_validate(state) for state in await feature_flags.read(signed_in(request))])


class FlagDetail(ApiEndpoint):
    """/api/v1/flags/{name} — switch one flag."""

    @operation("Switch a flag", body=FlagChange, answers={200: FlagOut}, scope=Scope.ADMIN)
    async def put(self, request: Request) -> Response:
        """On or off, in every worker within a second; for owners."""
        ctx = signed_in(request, Scope.ADMIN)
        change = await read_json(request, FlagChange)
        return as_json(FlagOut.model_validate(await feature_flags.switch(ctx, request.path_params["name"], change.enabled)))
