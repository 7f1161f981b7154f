"""Pages for owners."""

from starlette.requests import Request
from starlette.responses import Response

from blog.domain import flags
from blog.errors import InvalidInput
from blog.http.context import context, signed_in
from blog.http.endpoint import Endpoint
from blog.http.forms import read_form
from blog.schemas.flags import FlagChange
from blog.web.redirects import see_other
from blog.web.rendering import page


class AdministrationPage(Endpoint):
    """/admin — what an owner can decide."""

    async def get(self, request: Request) -> Response:
        """The flags, each with a button. Raises NotSignedIn, Forbidden."""
        return page(request, "administration/admin.html", flags=await flags.read(context(request)))


class FlagSwitch(Endpoint):
    """/admin/flags/{name} — one flag."""

    async def post(self, request: Request) -> Response:
        """Switch it. Raises NotSignedIn, Forbidden, NotFound, InvalidInput."""
        ctx = signed_in(request)
        form = await read_form(request)
        if (change := form.parse(FlagChange)) is None:
            raise InvalidInput((), "Nothing was switched: go back and use the buttons")
        flag = await flags.switch(ctx, request.path_params["name"], change.enabled)
        return see_other(request, "web:admin", fragment=f"flag-{flag.name.value}")
