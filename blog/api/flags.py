"""Feature flags as JSON."""

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.site import feature_flags
from blog.framework.endpoints.endpoint import ApiEndpoint
from blog.framework.endpoints.openapi_operations import operation
from blog.framework.request.context import require_user
from blog.framework.request.parsing import read_json
from blog.framework.response.json import json_response, list_response
from blog.schemas.accounts import Scope
from blog.schemas.feature_flags import FlagChange, FlagOut


class FlagList(ApiEndpoint):
    """/api/v1/flags: all feature flags."""

    @operation("List feature flags", responses={200: list[FlagOut]}, scope=Scope.ADMIN)
    async def get(self, request: Request) -> Response:
        """Return all flags as an array; owners only."""
        return list_response([FlagOut.model_validate(state) for state in await feature_flags.list_flags(require_user(request))])


class FlagDetail(ApiEndpoint):
    """/api/v1/flags/{name}: a feature flag."""

    @operation("Switch a feature flag", body=FlagChange, responses={200: FlagOut}, scope=Scope.ADMIN)
    async def put(self, request: Request) -> Response:
        """Switch the flag on or off; takes effect in every worker within a second. Owners only."""
        ctx = require_user(request, Scope.ADMIN)
        change = await read_json(request, FlagChange)
        return json_response(
            FlagOut.model_validate(await feature_flags.set_enabled(ctx, request.path_params["name"], change.enabled))
        )
