"""Request and response models of posts, tags and revisions."""

import datetime as dt
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from blog.schemas.fields import (
    EMPTY_IS_NULL,
    Authors,
    Caption,
    Changes,
    Content,
    Excerpt,
    Id,
    Instant,
    Language,
    MetaDescription,
    MetaTitle,
    Output,
    Slug,
    Tags,
    Title,
)
from blog.schemas.media import Alt, VariantOut
from blog.schemas.urls import ImageUrl, OptionalUrl


class PostStatus(StrEnum):
    """Whether a post is public, visible to its authors and editors, or public from `publish_at`."""

    PUBLISHED = "published"
    DRAFT = "draft"
    SCHEDULED = "scheduled"


class ListedStatus(StrEnum):
    """The statuses by which lists are filtered: `deleted` is for deleted posts of any status."""

    PUBLISHED = "published"
    DRAFT = "draft"
    SCHEDULED = "scheduled"
    DELETED = "deleted"


class PostSort(StrEnum):
    """The orders of lists of posts. A minus sign means descending."""

    NEWEST = "-published_at"
    OLDEST = "published_at"
    LAST_UPDATED = "-updated_at"
    FIRST_UPDATED = "updated_at"
    TITLE = "title"
    TITLE_DESCENDING = "-title"
    MOST_COMMENTS = "-comments"
    FEWEST_COMMENTS = "comments"
    MOST_VIEWS = "-views"
    FEWEST_VIEWS = "views"

    @property
    def field(self) -> str:
        """The field without its direction."""
        return self.value.removeprefix("-")

    @property
    def is_descending(self) -> bool:
        """Whether the largest value comes first."""
        return self.value.startswith("-")


class PublicPostSort(StrEnum):
    """The orders that the API offers."""

    NEWEST = PostSort.NEWEST.value
    OLDEST = PostSort.OLDEST.value
    LAST_UPDATED = PostSort.LAST_UPDATED.value


class FeatureImageInput(Changes):
    """The image above a post: an uploaded image by its id or its URL, or an image on another site by its URL."""

    media_id: Id | None = Field(default=None, description="The id of an uploaded image; then without `url`")
    url: ImageUrl | None = Field(
        default=None,
        description="The URL of an uploaded image, or an http or https URL, which is not fetched and has no smaller copies",
    )
    alt: Alt | None = Field(default=None, description="A text for people who cannot see the image. If absent, that of the upload")
    caption: Caption = Field(default="", description="Shown below the image")

    @model_validator(mode="after")
    def _name_one_image(self) -> Self:
        if (self.media_id is None) is (self.url is None):
            raise PydanticCustomError("feature_image", "Name the image by `media_id` or by `url`")
        return self


class PostInput(Changes):
    """The fields of a post that clients write."""

    title: Title
    content: Content
    tags: Tags = Field(default_factory=list)
    authors: Authors | None = Field(
        default=None,
        description=(
            "Usernames, in order. If absent, POST names the user and PUT keeps the authors. "
            "Editors may name anyone who may write posts, authors must be among those they name"
        ),
    )
    slug: Slug | None = None
    status: PostStatus = Field(
        default=PostStatus.PUBLISHED,
        description=(
            "If absent, POST publishes the post and PUT and PATCH keep its status, unless `publish_at` says otherwise. "
            "A post without visible content can only be a draft"
        ),
    )
    publish_at: Instant | None = Field(
        default=None,
        description=(
            "The time in the future at which a scheduled post is published. Without `status` it schedules a post that is not "
            "public, and null makes a scheduled post a draft. With `draft` or `published` only null is valid"
        ),
    )
    published_at: Instant | None = Field(
        default=None,
        description=(
            "The date of a published post, not in the future: an earlier date moves it in lists and feeds. Absent or null keeps "
            "the date of the first publication"
        ),
    )
    comments_open: bool = Field(default=True, description="Whether people may comment")
    custom_excerpt: Excerpt = Field(default=None, description="Shown in lists and feeds instead of the start of the content")
    meta_title: MetaTitle = Field(default=None, description="The title for search engines and link previews")
    meta_description: MetaDescription = Field(default=None, description="The description for search engines and link previews")
    canonical_url: OptionalUrl = Field(
        default=None, description="The http or https URL of the original, if the post was published elsewhere first"
    )
    language: Language = Field(default=None, description="The language of the post as a BCP 47 tag; null: that of the blog")
    featured: bool = Field(
        default=False,
        description="Whether the home page shows the post first. Only editors change it; PUT and PATCH without it keep it",
    )
    feature_image: Annotated[FeatureImageInput | None, EMPTY_IS_NULL] = Field(
        default=None, description="The image above the post, on cards, in feeds and in link previews"
    )


class NewPost(PostInput):
    """A complete post, for POST and PUT. Without a slug, POST makes one from the title and PUT keeps the current one."""


class PostChanges(PostInput):
    """The fields to change, for PATCH. Absent fields keep their values; title, content, authors and slug cannot be null."""

    title: Title = ""
    content: Content = ""
    authors: Authors = Field(default_factory=list, description="Usernames, in order. Authors must be among those they name")
    slug: Slug = ""


class AuthorOut(Output):
    """A user that may be named as an author of a post."""

    username: str
    name: str


class PostAuthorOut(Output):
    """An author of a post, with the URLs of their page and of their picture."""

    username: str
    name: str
    url: str
    avatar: str | None


class FeatureImageOut(Output):
    """The image above a post. Images on other sites have no size and no smaller copies."""

    url: str
    alt: str
    caption: str
    width: int | None
    height: int | None
    variants: list[VariantOut] = Field(description="Smaller copies, widest first")


class PostFields(Output):
    """The fields of a version of a post."""

    title: str
    content: str
    tags: list[str]
    authors: list[PostAuthorOut]
    slug: str
    status: PostStatus
    publish_at: dt.datetime | None
    published_at: dt.datetime | None
    comments_open: bool
    custom_excerpt: str | None
    meta_title: str | None
    meta_description: str | None
    canonical_url: str | None
    language: str | None
    featured: bool
    feature_image: FeatureImageOut | None


class PostOut(PostFields):
    """A post."""

    id: int
    url: str
    html: str
    excerpt: str
    author: str = Field(description="The username of the first author")
    version: int
    created_at: dt.datetime
    updated_at: dt.datetime
    comments: int


class RevisionOut(PostFields):
    """One version of a post. Versions are never overwritten."""

    post_id: int
    version: int
    editor: str
    created_at: dt.datetime
