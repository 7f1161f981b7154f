"""Tags: list, rename, describe, merge and delete, for editors."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from blog.domain.posts import tag_changes, tags
from blog.domain.posts.models import Tag
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import require_user
from blog.framework.request.forms import Form
from blog.framework.request.state import app_state
from blog.schemas.tags import TagChanges, TagMerge
from blog.web.rendering.form_page import FormPage
from blog.web.rendering.page import render_page
from blog.web.rendering.pagination import next_page_path, page_cursor
from blog.web.rendering.redirects import redirect_after_post

_MAX_SEARCH_LENGTH = 100


class TagListPage(Endpoint):
    """/admin/tags: all tags, by name. `?q=` searches for a part of the name."""

    async def get(self, request: Request) -> Response:
        """Show a page of the list. Raises NotAuthenticated, Forbidden."""
        text = request.query_params.get("q", "").strip()[:_MAX_SEARCH_LENGTH]
        page = await tags.list_page(require_user(request), text, page_cursor(request))
        values: dict[str, Any] = {"tags": page.items, "q": text, "next_page_path": next_page_path(request, page.next)}
        return render_page(request, "admin/tags.html", changed=request.query_params.get("changed"), **values)


class _TagForm:
    """The tag in the path of a page."""

    request: Request
    ctx: Any
    tag: Tag

    async def load(self) -> None:
        """Raise NotAuthenticated, Forbidden or NotFound."""
        tag_changes.require_editor(self.ctx)
        self.tag = await tags.by_id(self.ctx.db, self.request.path_params["id"])

    async def context(self) -> Mapping[str, Any]:
        return {"tag": self.tag}


class TagEditPage(_TagForm, FormPage[TagChanges]):
    """/admin/tags/{id}: the name, the address, the description and the image of a tag."""

    template, model, keeps_text = "admin/tag.html", TagChanges, True

    def initial_form(self) -> Form:
        tag = self.tag
        return Form({"name": tag.name, "slug": tag.own_slug or "", "description": tag.description, "image": tag.image or ""})

    def parse(self) -> TagChanges | None:
        """Parse the form. A number is the id of an uploaded image, and an empty field is no value."""
        image = self.form.value("image").strip()
        values = {"slug": self.form.value("slug").strip() or None, "image": int(image) if image.isdecimal() else image or None}
        data = self.form.parse(TagChanges, **values)
        # The form omits an override of None: set the fields, so that an emptied one is removed.
        return data.model_copy(update={name: value for name, value in values.items() if value is None}) if data else None

    async def submit(self, data: TagChanges) -> Response:
        """Store the changes, and return to the list."""
        tag = await tag_changes.change(self.ctx, self.tag.name, data)
        return _back_to_list(self.request, tag)


class TagMergePage(_TagForm, FormPage[TagMerge]):
    """/admin/tags/{id}/merge: merge a tag into another one."""

    template, model = "admin/tag_merge.html", TagMerge

    async def submit(self, data: TagMerge) -> Response:
        """Merge the tag, and return to the list."""
        return _back_to_list(self.request, await tag_changes.merge(self.ctx, self.tag.name, data.into))


class TagDeletionPage(Endpoint):
    """/admin/tags/{id}/delete: remove a tag from all posts."""

    async def get(self, request: Request) -> Response:
        """Ask for confirmation."""
        ctx = require_user(request)
        tag_changes.require_editor(ctx)
        return render_page(request, "admin/tag_delete.html", tag=await tags.by_id(ctx.db, request.path_params["id"]))

    async def post(self, request: Request) -> Response:
        """Delete the tag, and return to the list."""
        ctx = require_user(request)
        tag_changes.require_editor(ctx)
        tag = await tags.by_id(ctx.db, request.path_params["id"])
        await tag_changes.delete(ctx, tag.name)
        return redirect_after_post(request, "web:admin_tags", query={"changed": tag.name})


def _back_to_list(request: Request, tag: Tag) -> Response:
    path = app_state(request).urls.path("web:admin_tags")
    return RedirectResponse(f"{path}?changed=yes#tag-{tag.id}", 303)
