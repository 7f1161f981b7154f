"""Each place that handles the content of a post handles every field of `PostContent`."""

import datetime as dt
import html
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from blog.domain.accounts import accounts, sessions, tokens
from blog.domain.core.context import Context
from blog.domain.posts import authors, edit_conflicts, history, posts, revisions
from blog.domain.posts.edit_conflicts import EditConflict
from blog.domain.posts.feature_image import FeatureImage
from blog.domain.posts.models import Post
from blog.domain.posts.post_content import POST_FIELDS, FieldKind, PostContent, PostField, content_of, display_items, with_changes
from blog.import_export import post_markdown
from blog.import_export.markdown.importer import import_markdown
from blog.schemas.accounts import Role
from blog.schemas.posts import NewPost, PostChanges, PostStatus
from blog.text.formats import formats
from blog.web.posts.conflict import form_from_content
from tests.conftest import ORIGIN, MakeUser

UTC = formats("en", "UTC")

FIRST_TIME, SECOND_TIME = (dt.datetime(2099, 1, day, 10, tzinfo=dt.UTC) for day in (1, 2))
FIRST_DATE, SECOND_DATE = (dt.datetime(2001, 1, day, 10, tzinfo=dt.UTC) for day in (1, 2))
EXAMPLES: dict[str, tuple[Any, Any]] = {
    "slug": ("first-slug", "second-slug"),
    "status": (PostStatus.DRAFT, PostStatus.PUBLISHED),
    "publish_at": (FIRST_TIME, SECOND_TIME),
    "feature_image": (
        FeatureImage(None, "https://first.example/a.png", "First", "First caption"),
        FeatureImage(None, "https://second.example/b.webp", "Second"),
    ),
    "published_at": (FIRST_DATE, SECOND_DATE),
    "canonical_url": ("https://first.example/", "https://second.example/"),
    "language": ("de", "pt-BR"),
}
"""Values of fields for which any value of the type will not do."""

each_field = pytest.mark.parametrize("field", POST_FIELDS, ids=lambda field: field.name)


@pytest.fixture(autouse=True)
async def _example_authors(author: Context, make_user: MakeUser, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, bob = authors.of_actor(author.require_actor()), authors.of_actor(accounts.as_actor(await make_user("bob")))
    monkeypatch.setitem(EXAMPLES, "authors", ((ada,), (bob, ada)))


def example(field: PostField, index: int) -> Any:
    if field.name in EXAMPLES:
        return EXAMPLES[field.name][index]
    if field.is_bool:
        return (True, False)[index]
    text = f"{('first', 'second')[index]} {field.noun}"
    return (text,) if field.noun == "tags" else text


def first_content(field: PostField) -> PostContent:
    """A draft; for the publication time, a scheduled post, and for the publication date, a published one."""
    values = {other.name: example(other, 0) for other in POST_FIELDS}
    status = {"publish_at": PostStatus.SCHEDULED, "published_at": PostStatus.PUBLISHED}.get(field.name, PostStatus.DRAFT)
    date = values["published_at"] if status is PostStatus.PUBLISHED else None
    return with_changes(PostContent(**values), {"status": status, "published_at": date})


def changed_with(field: PostField) -> list[PostField]:
    """Return the fields that a change of this one changes: a post that is published for the first time gets its date."""
    return [other for other in POST_FIELDS if other is field or (field.name, other.name) == ("status", "published_at")]


def undated(content: PostContent) -> PostContent:
    """Return the content without the date that a post gets when it is published."""
    is_given = content.published_at in (FIRST_DATE, SECOND_DATE)
    return content_of(content) if is_given else with_changes(content, {"published_at": None})


def as_input(content: PostContent) -> dict[str, Any]:
    values = {field.name: getattr(content, field.name) for field in POST_FIELDS}
    values["authors"] = [author.username for author in content.authors]
    if image := content.feature_image:
        values["feature_image"] = {"url": image.address, "alt": image.alt, "caption": image.caption}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


async def create(author: Context, field: PostField) -> Post:
    return await posts.create(author, NewPost(**as_input(first_content(field))))


async def change(author: Context, post: Post, field: PostField) -> Post:
    value = as_input(with_changes(post, {field.name: example(field, 1)}))[field.name]
    return await posts.edit(author, post.id, PostChanges(**{field.name: value}))


@pytest.fixture
async def author(ctx: Context, make_user: MakeUser) -> Context:
    """Return a context of ada, here an editor: others may not change every field."""
    return ctx.acting_as(accounts.as_actor(await make_user("ada", Role.EDITOR)))


@pytest.fixture
async def editor(ctx: Context, make_user: MakeUser) -> Context:
    return ctx.acting_as(accounts.as_actor(await make_user("eve", Role.EDITOR)))


async def cookies(author: Context) -> dict[str, str]:
    session_id = await sessions.start(author, author.require_actor(), "a browser")
    return {"Cookie": f"session={session_id}", "Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}


@each_field
async def test_row(author: Context, field: PostField) -> None:
    post = await create(author, field)
    assert content_of(post) == first_content(field)
    changed = await change(author, post, field)
    assert changed.version == 2, "a change of this field makes a version"
    assert getattr(await posts.get(author, post.id), field.name) == example(field, 1)


@each_field
async def test_revision(author: Context, field: PostField) -> None:
    post = await create(author, field)
    await change(author, post, field)
    first, second = await revisions.get_pair(author, post.id, 1, 2)
    assert (getattr(first, field.name), getattr(second, field.name)) == (example(field, 0), example(field, 1))


@each_field
async def test_diff(author: Context, field: PostField) -> None:
    post = await create(author, field)
    await change(author, post, field)
    diff = (await history.compare(author, post.id, 1, 2)).diff
    assert [changed.field for changed in diff.fields] == changed_with(field)
    assert not diff.is_empty
    assert diff.text if field.kind is FieldKind.TEXT else diff.fields[0].segments


@each_field
async def test_history(author: Context, field: PostField) -> None:
    post = await create(author, field)
    await change(author, post, field)
    newest = (await history.list_page(author, post.id)).items[0]
    if field.kind is FieldKind.TEXT:
        assert newest.word_count.added
    else:
        assert newest.changed_fields == [changed.noun for changed in changed_with(field)]


@each_field
async def test_restore(author: Context, field: PostField) -> None:
    post = await create(author, field)
    await change(author, post, field)
    restored = (await revisions.restore(author, post.id, 1)).post
    assert getattr(restored, field.name) == example(field, 0 if field.is_restored else 1)
    assert restored.version == (3 if field.is_restored else 2)


async def describe(author: Context, saved: Post, submitted: PostContent) -> EditConflict:
    return await edit_conflicts.describe(author, saved, PostChanges(**as_input(submitted)), 1)


@each_field
async def test_conflict(author: Context, editor: Context, field: PostField) -> None:
    post = await create(author, field)
    saved = await change(editor, post, field)
    conflict = await describe(author, saved, content_of(post))
    assert conflict.diff_since_base is not None
    assert [changed.field for changed in conflict.diff_since_base.fields] == changed_with(field)
    assert conflict.diff.is_empty, "what only the other person changed stays changed"
    assert conflict.mine == content_of(saved)
    title = "mine" if field is not POST_FIELDS[0] else post.title
    conflict = await describe(author, saved, with_changes(post, {"title": title, field.name: example(field, 1)}))
    assert getattr(conflict.mine, field.name) == example(field, 1)


@each_field
@pytest.mark.parametrize("changed_by", ["mine", "theirs"])
async def test_merge(author: Context, editor: Context, field: PostField, changed_by: str) -> None:
    other = POST_FIELDS[1] if field is POST_FIELDS[0] else POST_FIELDS[0]
    post = await create(author, field)
    both = {changed.name: example(changed, 1) for changed in (field, other)}
    mine, theirs = (field, other) if changed_by == "mine" else (other, field)
    saved = await change(editor, post, theirs)
    conflict = await describe(author, saved, with_changes(post, {mine.name: both[mine.name]}))
    assert conflict.merged is not None
    assert undated(conflict.merged) == with_changes(post, both)


def shown(response: httpx2.Response, field: PostField) -> Any:
    """Return the value of a field in a response, in the form in which clients send it."""
    value = response.json()[field.name]
    if field.name == "feature_image":
        return {"media_id": None, **{name: value[name] for name in ("url", "alt", "caption")}}
    return [author["username"] for author in value] if field.name == "authors" else value


@each_field
@pytest.mark.sqlite
async def test_api(author: Context, client: httpx2.AsyncClient, field: PostField) -> None:
    post = await create(author, field)
    issued = await tokens.issue(author, author.require_actor(), name="test")
    headers = {"Authorization": f"Bearer {issued.value}"}
    path = f"/api/v1/posts/{post.id}"
    before = shown(await client.get(path, headers=headers), field)
    content = as_input(with_changes(post, {field.name: example(field, 1)}))
    sent = NewPost(**content).model_dump(mode="json")[field.name]
    assert before != sent
    assert shown(await client.patch(path, json={field.name: sent}, headers=headers), field) == sent, "PATCH"
    for version, value in ((1, before), (2, sent)):
        assert shown(await client.get(f"{path}/revisions/{version}", headers=headers), field) == value, "revision"
    whole = NewPost(**as_input(post)).model_dump(mode="json")
    assert shown(await client.put(path, json=whole, headers=headers), field) == before, "PUT"


def submitted_values(page: str) -> dict[str, str]:
    """Return what a browser submits for the first form of a page with a title; of two fields of one name, the last."""
    form = next(form for form in re.findall(r"<form.*?</form>", page, re.DOTALL) if 'name="title"' in form)
    values = {}
    for tag in re.findall(r"<(?:input|textarea)[^>]*>(?:\n[^<]*</textarea>)?", form):
        name = re.search(r'name="([^"]*)"', tag)
        if name is None or (("checkbox" in tag or "radio" in tag) and not re.search(r"\schecked", tag)):
            continue
        value = re.search(r'value="([^"]*)"', tag) if tag.startswith("<input") else re.search(r">\n([^<]*)</textarea>", tag)
        values[name[1]] = html.unescape(value[1]) if value else ""
    return values


@each_field
@pytest.mark.sqlite
async def test_form(author: Context, client: httpx2.AsyncClient, field: PostField) -> None:
    post = await create(author, field)
    address, headers = f"/posts/{post.slug}/edit", await cookies(author)
    values = submitted_values((await client.get(address, headers=headers)).text)
    written = {name: text for name, text in form_from_content(post, 1, UTC).values.items() if text}
    assert values.items() >= written.items(), "the form shows the post"
    changed = with_changes(post, {field.name: example(field, 1)})
    typed = form_from_content(changed, 1, UTC).values
    sent = values | {name: text for name, text in typed.items() if name.startswith(field.name)}
    assert (await client.post(address, data=sent, headers=headers)).status_code == 303
    assert undated(await posts.get(author, post.id)) == changed


@each_field
@pytest.mark.sqlite
async def test_conflict_page(author: Context, editor: Context, client: httpx2.AsyncClient, field: PostField) -> None:
    post = await create(author, field)
    other = POST_FIELDS[1] if field is POST_FIELDS[0] else POST_FIELDS[0]
    saved = await change(editor, post, other)
    address, headers = f"/posts/{saved.slug}/edit", await cookies(author)
    sent = form_from_content(with_changes(post, {field.name: example(field, 1)}), 1, UTC).values
    answer = await client.post(address, data=sent, headers=headers)
    assert answer.status_code == 412
    assert f"<dt>{field.label}</dt>" in answer.text
    section = answer.text.index('id="conflict-merged"')
    merged = await client.post(address, data=submitted_values(answer.text[section:]), headers=headers)
    assert merged.status_code == 303
    assert getattr(await posts.get(author, post.id), field.name) == example(field, 1), "saved together"
    assert getattr(await posts.get(author, post.id), other.name) == example(other, 1), "the other change remains"


@each_field
@pytest.mark.sqlite
async def test_version_page(author: Context, client: httpx2.AsyncClient, field: PostField) -> None:
    post = await change(author, await create(author, field), field)
    headers = await cookies(author)
    page = (await client.get(f"/posts/{post.slug}/history/1", headers=headers)).text
    for shown in display_items(field, first_content(field), UTC):
        assert html.escape(shown.rstrip()) in page
    hint = re.search(r'id="hint-restore">([^.]*)\.([^.]*)\.', page)
    assert hint is not None
    assert field.noun in hint[1 if field.is_restored else 2]


@each_field
@pytest.mark.sqlite
async def test_export_and_import(author: Context, field: PostField, tmp_path: Path) -> None:
    post = await change(author, await create(author, field), field)
    exported = tmp_path / "posts" / post_markdown.file_name(post)
    exported.parent.mkdir()
    exported.write_text(post_markdown.to_markdown(post))
    await posts.edit(author, post.id, PostChanges(slug="moved"))
    await author.db.execute("DELETE FROM post_slugs WHERE slug <> 'moved'")
    report = await import_markdown(author, exported.parent)
    assert (report.totals.posts, report.warnings) == (1, ())
    written = post.published_at.replace(microsecond=0) if post.published_at else None  # front matter has no fractions
    assert content_of(await posts.get_by_slug(author, post.slug)) == replace(content_of(post), published_at=written)
