"""The page of one member, for owners: role, access, suspension, posts and deletion."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel
from starlette.responses import Response

from blog.domain.accounts import administration, user_directory
from blog.domain.core import policy
from blog.errors import FieldError, InvalidInput
from blog.framework.request.forms import Form
from blog.framework.request.state import app_state
from blog.schemas.accounts import EmptyForm, Role
from blog.schemas.members import (
    CommentsOfMember,
    CommentsOnSuspension,
    MemberDeletion,
    PasswordLinkRequest,
    PostsOfMember,
    PostTransfer,
    Suspension,
    UserChanges,
)
from blog.text.normalisation import fold_name
from blog.web.accounts.reauthentication import needs_reauthentication
from blog.web.rendering.form_page import FormEndpoint, FormPage
from blog.web.rendering.page import render_page
from blog.web.rendering.redirects import redirect_after_post

M = TypeVar("M", bound=BaseModel)
_SUSPENSION = {"comments": CommentsOnSuspension.HOLD.value}


class _MemberForm(FormEndpoint[M]):
    """A form on the page of one member."""

    template = "admin/member.html"

    async def load(self) -> None:
        """Load the member. Raises Forbidden, NotFound."""
        self.member = await user_directory.get(self.ctx, self.request.path_params["id"])

    async def context(self) -> Mapping[str, Any]:
        path = app_state(self.request).urls.path("web:admin_member", id=self.member.id)
        done = self.request.query_params.get("done") if self.request.method == "GET" else None
        return {
            "member": self.member,
            "roles": list(Role),
            "is_self": self.member.id == self.ctx.require_actor().id,
            "can_send_email": self.ctx.site.settings.can_send_email,
            "done": done,
            "action": path,
            "return_path": path,
            "needs_reauthentication": needs_reauthentication(self.ctx),
        }

    def redirect_back(self, done: str) -> Response:
        """Return a redirect to the page, which confirms what was done."""
        return redirect_after_post(self.request, "web:admin_member", query={"done": done}, id=self.member.id)


class MemberPage(_MemberForm[UserChanges], FormPage[UserChanges]):
    """/admin/members/{id}: one member, and a form for the role."""

    model = UserChanges

    def initial_form(self) -> Form:
        return Form(dict(_SUSPENSION))

    async def submit(self, data: UserChanges) -> Response:
        """Change the role."""
        await administration.set_role(self.ctx, self.member.id, data.role)
        return self.redirect_back("role")


class MemberSuspension(_MemberForm[Suspension]):
    """/admin/members/{id}/suspend: suspend the account."""

    model = Suspension

    async def submit(self, data: Suspension) -> Response:
        """Suspend the account, and hold its comments if that was chosen."""
        await administration.suspend(self.ctx, self.member.id, data.comments)
        return self.redirect_back("suspended")


class MemberReinstatement(_MemberForm[EmptyForm]):
    """/admin/members/{id}/unsuspend: lift the suspension."""

    model = EmptyForm

    async def submit(self, data: EmptyForm) -> Response:
        """Lift the suspension, and publish the comments that it held."""
        await administration.lift_suspension(self.ctx, self.member.id)
        return self.redirect_back("unsuspended")


class MemberSignOut(_MemberForm[EmptyForm]):
    """/admin/members/{id}/sign-out: end all sessions."""

    model = EmptyForm

    async def submit(self, data: EmptyForm) -> Response:
        """End all sessions of the member."""
        await administration.revoke_sessions(self.ctx, self.member.id)
        return self.redirect_back("signed-out")


class MemberPasswordLink(_MemberForm[PasswordLinkRequest]):
    """/admin/members/{id}/password-link: a link that sets the password once."""

    model = PasswordLinkRequest

    async def submit(self, data: PasswordLinkRequest) -> Response:
        """Send the link by e-mail, or render it: no other page shows it, and a redirect could not carry it."""
        if data.send:
            await administration.send_password_link(self.ctx, self.member.id)
            return self.redirect_back("link-sent")
        secret = await administration.create_password_link(self.ctx, self.member.id)
        link = app_state(self.request).urls.url("web:set_password", secret=secret)
        return render_page(self.request, "admin/password_link.html", 201, link=link, member=self.member)


class MemberPostTransfer(_MemberForm[PostTransfer]):
    """/admin/members/{id}/posts: a new author for all posts of the member."""

    model = PostTransfer

    async def submit(self, data: PostTransfer) -> Response:
        """Replace the member by the other author in all posts."""
        await administration.transfer_posts(self.ctx, self.member.id, data.transfer_to)
        return self.redirect_back("posts")


class MemberDeletionPage(_MemberForm[MemberDeletion], FormPage[MemberDeletion]):
    """/admin/members/{id}/delete: delete the account, with the choice of what stays."""

    template, model = "admin/member_delete.html", MemberDeletion

    def initial_form(self) -> Form:
        return Form({"posts": PostsOfMember.KEEP.value, "comments": CommentsOfMember.KEEP.value})

    def parse(self) -> MemberDeletion | None:
        return self.form.parse(MemberDeletion, username=None)

    async def submit(self, data: MemberDeletion) -> Response:
        """Delete the account. Raises InvalidInput unless the username was typed."""
        policy.require_recent_authentication(self.ctx, self.ctx.require_actor())
        if fold_name(self.form.value("username")) != fold_name(self.member.username):
            message = f"Type the username, {self.member.username}, to confirm"
            raise InvalidInput([FieldError(("username",), message, "username")])
        await administration.delete(self.ctx, self.member.id, data)
        return redirect_after_post(self.request, "web:admin_members", query={"done": "deleted"})
