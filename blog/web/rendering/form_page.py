"""Base classes of endpoints that read an HTML form."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from blog.domain.core.context import Context
from blog.errors import BlogError, Unavailable
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import request_context, require_user
from blog.framework.request.forms import Form, read_form
from blog.framework.response.error_statuses import error_headers, error_status
from blog.web.rendering.page import render_page

M = TypeVar("M", bound=BaseModel)


class FormEndpoint(Endpoint, ABC, Generic[M]):
    """A path that takes a submitted form; use `FormPage` if it also shows the form.

    POST runs `load`, reads the form, validates it with `parse` and calls `submit`. If the form is invalid or `submit` raises a
    BlogError other than Unavailable, the form is rendered again with the submitted values and a message at each field. For an
    invalid form `check_valid_fields` runs first. Starlette makes one instance per request, so hooks may store what they load on
    `self`.
    """

    template: ClassVar[str]
    model: type[M]
    """The model of a valid form."""
    requires_user: ClassVar[bool] = True
    """Whether anonymous requests are rejected before the form is read."""
    keeps_text: ClassVar[bool] = False
    """Whether the form is shown again while the database is unavailable: the error page would lose a text that somebody wrote."""

    max_body_bytes: ClassVar[int | None] = None
    """The limit of the submitted form; None: the setting of that name."""

    request: Request
    ctx: Context
    form: Form

    async def load(self) -> Response | None:
        """Check permissions and load what the hooks below need; errors become an error page.

        Return a response, such as a redirect, to send it instead of handling the form.
        """
        return None

    def parse(self) -> M | None:
        """Return the submitted values as the model, or None after adding messages to the form."""
        return self.form.parse(self.model)

    async def check_valid_fields(self) -> None:
        """Add messages to the valid fields of a form with invalid ones, so that all messages are shown at once."""

    @abstractmethod
    async def submit(self, data: M) -> Response:
        """Call the domain and return the response, usually a redirect; a BlogError renders the form again."""

    async def context(self) -> Mapping[str, Any]:
        """Return the template's values other than `form`."""
        return {}

    async def post(self, request: Request) -> Response:
        """Validate the form and submit it."""
        if response := await self.start(request):
            return response
        self.form = await read_form(request, max_bytes=self.max_body_bytes)
        data = self.parse()
        try:
            if data is None:
                await self.check_valid_fields()
                return await self.render(422)
            return await self.submit(data)
        except BlogError as error:
            if isinstance(error, Unavailable) and not self.keeps_text:
                raise
            return await self.render_error(error)

    async def start(self, request: Request) -> Response | None:
        """Set `request` and `ctx`, then return `load()`. Raises NotAuthenticated if `requires_user` and there is none."""
        self.request = request
        self.ctx = require_user(request) if self.requires_user else request_context(request)
        return await self.load()

    async def render(self, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        """Render the template with the form and its messages."""
        return render_page(self.request, self.template, status, headers=headers, form=self.form, **await self.context())

    async def render_error(self, error: BlogError) -> Response:
        """Render the form again with the message and the status of an error."""
        self.form.add_error(error)
        return await self.render(error_status(error), error_headers(error))


class FormPage(FormEndpoint[M]):
    """A page that shows a form on GET and takes it on POST.

    Example:
        class RegistrationPage(FormPage[Registration]):
            template = "accounts/register.html"
            model = Registration
            requires_user = False

            async def submit(self, data: Registration) -> Response:
                user = await accounts.register(self.ctx, data)
                return await start_session(self.request, self.ctx, accounts.as_actor(user))
    """

    def initial_form(self) -> Form:
        """Return the form that GET shows, with its initial values."""
        return Form()

    async def get(self, request: Request) -> Response:
        """Show the form."""
        if response := await self.start(request):
            return response
        self.form = self.initial_form()
        return await self.render()
