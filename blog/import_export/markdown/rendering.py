"""Rendering of an imported post: convert shortcodes, store images, normalise tags, render Markdown."""

from typing import Any

from pydantic import ValidationError

from blog.domain.posts import rendering
from blog.domain.posts.feature_image import FeatureImage, from_input
from blog.domain.posts.post_content import POST_FIELDS, FieldKind, PostContent, PostField
from blog.domain.posts.rendering import RenderedPost
from blog.import_export.markdown import shortcodes, source
from blog.import_export.markdown.folder import Rejection
from blog.import_export.markdown.images import ImageImporter
from blog.import_export.markdown.source import SourcePost
from blog.schemas.fields import MAX_CAPTION_LENGTH, MAX_TAG_LENGTH, MAX_TAGS
from blog.schemas.media import MAX_ALT_LENGTH
from blog.schemas.posts import FeatureImageInput, NewPost, PostChanges, PostStatus
from blog.text.excerpt import excerpt
from blog.text.markdown import render
from blog.text.normalisation import fold_name, normalise_line


def convert_body(post: SourcePost, images: ImageImporter) -> tuple[str, tuple[str, ...]]:
    """Return the body of a post as the blog stores it, and warnings. Stores the images of the post."""
    body, warnings = images.rewrite(post.path, shortcodes.to_markdown(post.body))
    return body, (*post.warnings, *warnings)


def convert_lead_image(post: SourcePost, images: ImageImporter) -> tuple[FeatureImage | None, tuple[str, ...]]:
    """Return the feature image of a post, without its size, and warnings. Stores its file."""
    if post.lead_image is None:
        return None, ()
    url, warnings = images.store_lead_image(post.path, post.lead_image.address)
    if url is None:
        return None, warnings
    alt, caption = post.lead_image.alt[:MAX_ALT_LENGTH], post.lead_image.caption[:MAX_CAPTION_LENGTH]
    try:
        return from_input(FeatureImageInput(url=url, alt=alt, caption=caption)), warnings
    except ValidationError as error:
        return None, (*warnings, f"the feature image {url!r} was left out: {error.errors()[0]['msg']}")


def render_source_post(
    post: SourcePost, body: str, image: FeatureImage | None
) -> tuple[RenderedPost, tuple[str, ...]] | Rejection:
    """Render a post. CPU-bound.

    `body` and `image` are the results of `convert_body` and `convert_lead_image`. Returns the rendered post and warnings, or a
    rejection if the body exceeds a limit.
    """
    if reason := source.excess(body):
        return Rejection(post.path, 1, reason)
    tags, warnings = normalise_tags((*post.tags, *post.categories))
    fields, problems = _fields_from_front_matter(post)
    content = PostContent(
        title=post.title,
        content=body,
        tags=tags,
        authors=(),
        slug=post.slug,
        status=PostStatus.DRAFT if post.draft else PostStatus.PUBLISHED,
        publish_at=None,
        published_at=None,
        feature_image=image,
        **fields,
    )
    return rendering.render_post(content), (*warnings, *problems)


def normalise_tags(names: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return names as valid tags, and warnings: no commas, no duplicates (by their keys), at most 30 of 50 characters each."""
    tags: dict[str, str] = {}
    warnings: list[str] = []
    for name in names:
        tag = normalise_line(normalise_line(name.replace(",", " "))[:MAX_TAG_LENGTH])
        if tag and tag != name:
            warnings.append(f"the tag {name!r} became {tag!r}")
        if tag:
            tags.setdefault(fold_name(tag), tag)
    distinct = tuple(tags.values())
    warnings.extend(f"the tag {tag!r} was left out: a post has at most {MAX_TAGS}" for tag in distinct[MAX_TAGS:])
    return distinct[:MAX_TAGS], tuple(warnings)


def _fields_from_front_matter(post: SourcePost) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the fields that the file has, the defaults of the others, and a warning for each value that is not valid."""
    values = {field.name: NewPost.model_fields[field.name].default for field in POST_FIELDS if field.front_matter}
    found = {"language": post.language} | dict(post.fields)
    warnings: list[str] = []
    for field in POST_FIELDS:
        if found.get(field.name) is not None:
            try:
                values[field.name] = _valid_value(field, found[field.name])
            except ValidationError as error:
                warnings.append(f"the {field.noun} {found[field.name]!r} was left out: {error.errors()[0]['msg']}")
    return values, tuple(warnings)


def _valid_value(field: PostField, value: Any) -> Any:
    """Return a value of front matter as posts store it. Raises ValidationError."""
    if field.kind is FieldKind.LINE:
        value = _plain_text(value, field.max_length)
    return getattr(PostChanges.model_validate({field.name: value}), field.name)


def _plain_text(markdown: str, max_length: int) -> str | None:
    return excerpt(render(shortcodes.to_markdown(markdown)), max_length) or None
