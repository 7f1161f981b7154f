"""The account export: a ZIP file with the user's texts and a list of their images, without the image files."""

import zipfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict
from typing import IO, Any

import anyio.to_thread
from pydantic_core import to_json

from blog.domain.accounts import accounts
from blog.domain.accounts.user_references import ExportFile
from blog.domain.comments import own_comments
from blog.domain.core.context import Context
from blog.domain.media import media
from blog.domain.posts import autosaves, post_lists
from blog.domain.posts.models import Post
from blog.domain.posts.post_filter import PostFilter
from blog.framework.response.serializers import media_out
from blog.framework.urls.urls import UrlBuilder
from blog.import_export import post_markdown
from blog.schemas.accounts import AccountOut
from blog.schemas.posts import PostStatus

_BATCH_SIZE = 100
_DESCRIPTIONS = {
    ExportFile.PROFILE: "your profile and account",
    ExportFile.POSTS: "your posts, including drafts, as Markdown with front matter, and their feature images",
    ExportFile.AUTOSAVES: "text that you typed in the editor and did not save",
    ExportFile.COMMENTS: "your comments",
    ExportFile.MEDIA: "the images that you uploaded, with their URLs",
}
_WIDTH = max(map(len, ExportFile)) + 2
README = "\n".join(f"{file.value:<{_WIDTH}}{text}" for file, text in _DESCRIPTIONS.items()) + "\n"


async def write_archive(ctx: Context, urls: UrlBuilder, file: IO[bytes]) -> None:
    """Write the actor's data to `file` in batches, so that memory use is constant. Raises NotAuthenticated, Forbidden."""
    profile = AccountOut.model_validate(await accounts.current(ctx))
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        await _add_files(archive, ctx, {"README.txt": README.encode(), ExportFile.PROFILE: to_json(profile, indent=2)})
        images: set[str] = set()
        async for posts in _posts(ctx):
            files = {}
            for post in posts:
                prefix = await _add_image(archive, ctx, post, images) or urls.url("media", name="")
                files[f"{ExportFile.POSTS}{post_markdown.file_name(post)}"] = post_markdown.to_markdown(post, prefix).encode()
            await _add_files(archive, ctx, files)
        await _add_json_list(archive, ctx, ExportFile.AUTOSAVES, _autosaves(ctx))
        await _add_json_list(archive, ctx, ExportFile.COMMENTS, _comments(ctx))
        await _add_json_list(archive, ctx, ExportFile.MEDIA, _media(ctx, urls))


async def _add_image(archive: zipfile.ZipFile, ctx: Context, post: Post, known: set[str]) -> str | None:
    """Add the feature image of a post, unless it is known, and return the folder of its file.

    Return None if the post has none, or if the file is stored elsewhere: then its URL is exported.
    """
    name = post.feature_image.name if post.feature_image else None
    path = ctx.site.storage.local_path(name) if name else None
    if path is None or not path.is_file():
        return None
    if name not in known:
        content = await anyio.to_thread.run_sync(path.read_bytes)
        await _add_files(archive, ctx, {f"{ExportFile.POSTS}{post_markdown.MEDIA_FOLDER}{name}": content})
        known.add(path.name)
    return post_markdown.MEDIA_FOLDER


async def _posts(ctx: Context) -> AsyncIterator[Sequence[Post]]:
    for status in PostStatus:
        key, more = None, True
        while more:
            own = PostFilter(author_id=ctx.require_actor().id, status=status, limit=_BATCH_SIZE, after=key, full=True)
            page = await post_lists.list_page(ctx, own)
            yield page.items
            key, more = page.next, page.next is not None


async def _autosaves(ctx: Context) -> AsyncIterator[Sequence[Any]]:
    last = 0
    while rows := await autosaves.export_own(ctx, limit=_BATCH_SIZE, after=last):
        yield [{"kind": row.kind, "title": row.title, "form": row.form, "updated_at": row.updated_at} for row in rows]
        last = rows[-1].id


async def _comments(ctx: Context) -> AsyncIterator[Sequence[Any]]:
    last = 0
    while rows := await own_comments.list_own(ctx, limit=_BATCH_SIZE, after=last):
        yield [asdict(comment) for comment in rows]
        last = rows[-1].id


async def _media(ctx: Context, urls: UrlBuilder) -> AsyncIterator[Sequence[Any]]:
    key, more = None, True
    while more:
        page = await media.list_page(ctx, limit=_BATCH_SIZE, after=key)
        yield [media_out(item, urls) for item in page.items]
        key, more = page.next, page.next is not None


async def _add_files(archive: zipfile.ZipFile, ctx: Context, files: Mapping[str, bytes]) -> None:
    def compress() -> None:
        for name, content in files.items():
            archive.writestr(_zip_entry(ctx, name), content)

    await anyio.to_thread.run_sync(compress)


async def _add_json_list(archive: zipfile.ZipFile, ctx: Context, name: str, pages: AsyncIterator[Sequence[Any]]) -> None:
    """Write the items of all pages as one JSON array."""
    with archive.open(_zip_entry(ctx, name), "w") as member:
        separator = b"[\n"
        async for items in pages:
            if items:
                await anyio.to_thread.run_sync(member.write, separator + b",\n".join(map(to_json, items)))
                separator = b",\n"
        member.write(b"[]\n" if separator == b"[\n" else b"\n]\n")


def _zip_entry(ctx: Context, name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, date_time=(ctx.now.year, ctx.now.month, ctx.now.day, ctx.now.hour, ctx.now.minute, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry
