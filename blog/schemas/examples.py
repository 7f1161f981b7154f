"""One example per model, for the OpenAPI document. A test validates them."""

from typing import Any

from pydantic import BaseModel

from blog.schemas import (
    accounts,
    bookmarks,
    comments,
    events,
    feature_flags,
    invitations,
    lists,
    media,
    members,
    posts,
    static_pages,
    tags,
)

_AT, _LATER = "2026-05-01T09:00:00Z", "2026-05-02T18:30:00Z"
_MEDIA_URL = "https://blog.example.org/media/"
_IMAGE = {
    "id": 3,
    "url": f"{_MEDIA_URL}4b1f0c7d5e2a9846b3d0f1c2a5e8974613d2c0b7a6f5e4d3c2b1a09f8e7d6c5b.jpg",
    "width": 800,
    "height": 600,
    "alt": "A brass wheel with two hundred teeth",
    "file_name": "wheel.jpg",
    "media_type": "image/jpeg",
    "bytes": 148_213,
    "uploader": "ada",
    "created_at": _AT,
    "variants": [
        {
            "url": f"{_MEDIA_URL}9e8d7c6b5a4f3e2d1c0b9a8f7e6d5c4b3a2f1e0d9c8b7a6f5e4d3c2b1a0f9e8d.webp",
            "width": 480,
            "height": 360,
        }
    ],
}
_CONTENT = {
    "title": "On engines",
    "content": "It *weaves* patterns.",
    "tags": ["machines", "maths"],
    "authors": [
        {"username": "ada", "name": "Ada Lovelace", "url": "https://blog.example.org/authors/ada", "avatar": None},
    ],
    "slug": "on-engines",
    "status": "published",
    "publish_at": None,
    "published_at": _AT,
    "comments_open": True,
    "custom_excerpt": None,
    "meta_title": None,
    "meta_description": "How the analytical engine weaves patterns.",
    "canonical_url": None,
    "language": "en-GB",
    "featured": False,
    "feature_image": {
        **{name: _IMAGE[name] for name in ("url", "alt", "width", "height", "variants")},
        "caption": "The wheel of the difference engine",
    },
}
_POST = _CONTENT | {
    "id": 12,
    "url": "https://blog.example.org/posts/on-engines",
    "html": "<p>It <em>weaves</em> patterns.</p>\n",
    "excerpt": "It weaves patterns.",
    "author": "ada",
    "version": 1,
    "created_at": _AT,
    "updated_at": _AT,
    "comments": 1,
}
_REVISION = _CONTENT | {"post_id": 12, "version": 1, "editor": "ada", "created_at": _AT}
_COMMENT = {
    "id": 31,
    "post_id": 12,
    "parent_id": None,
    "author": {"username": "grace", "name": "Grace Hopper", "avatar": None, "badge": "editor"},
    "guest": None,
    "content": "Well said.",
    "html": "<p>Well said.</p>\n",
    "status": "visible",
    "reason": None,
    "created_at": _LATER,
    "updated_at": _LATER,
}
_TAG = {
    "name": "machines",
    "slug": "machines",
    "url": "https://blog.example.org/tags/machines",
    "description": "Looms, engines and other works.",
    "image": None,
    "posts": 3,
}
_PAGE = {
    "id": 2,
    "slug": "about",
    "url": "https://blog.example.org/about",
    "title": "About",
    "content": "We *weave*.",
    "html": "<p>We <em>weave</em>.</p>\n",
    "status": "published",
    "version": 1,
    "created_at": _AT,
    "updated_at": _AT,
}
_USER = {"id": 7, "username": "ada", "name": "Ada Lovelace", "bio": "Weaves *patterns*.", "role": "author", "created_at": _AT}
_INVITATION = {
    "id": 5,
    "role": "author",
    "email": "grace@example.org",
    "email_status": "sent",
    "note": "",
    "status": "open",
    "inviter": "ada",
    "accepted_by": None,
    "created_at": _AT,
    "expires_at": _LATER,
    "url": None,
}
_MEMBER = {
    "id": 7,
    "username": "ada",
    "name": "Ada Lovelace",
    "email": "ada@example.org",
    "role": "author",
    "created_at": _AT,
    "last_seen_at": _LATER,
    "suspended_at": None,
    "can_sign_in": True,
    "post_count": 12,
    "comment_count": 40,
}
_TOKEN = {"id": 5, "name": "laptop", "scopes": ["posts:write"], "created_at": _AT, "expires_at": "2026-07-30T09:00:00Z"}
_EVENT = {
    "type": "event",
    "event": "post.published",
    "cursor": "k3f9x2.1235",
    "channels": ["posts"],
    "at": _AT,
    "correlation_id": "0f8fad5bd9cb469fa16570867728950e",
    "data": {"post": _POST, "html": "<article>…</article>"},
}
_FLAG = {"name": "comments", "enabled": False, "default": True, "updated_at": _LATER}

EXAMPLES: dict[type[BaseModel], Any] = {
    posts.NewPost: {"title": "On engines", "content": "It *weaves* patterns.", "tags": ["machines", "maths"]},
    posts.PostChanges: {"title": "On analytical engines"},
    posts.PostOut: _POST,
    posts.RevisionOut: _REVISION,
    tags.TagOut: _TAG,
    tags.TagChanges: {"name": "machines", "description": "Looms, engines and other works."},
    tags.TagMerge: {"into": "machines"},
    static_pages.StaticPageInput: {"title": "About", "content": "We *weave*.", "status": "draft"},
    static_pages.StaticPageChanges: {"status": "published"},
    static_pages.StaticPageOut: _PAGE,
    lists.StaticPageListOut: {"items": [_PAGE], "next": None},
    posts.AuthorOut: {"username": "ada", "name": "Ada Lovelace"},
    lists.PostListOut: {"items": [_POST], "next": "WyIyMDI2LTA1LTAxIiwxMl0"},
    lists.RevisionListOut: {"items": [_REVISION], "next": None},
    lists.CommentListOut: {"items": [_COMMENT], "next": None},
    lists.TokenListOut: {"items": [_TOKEN], "next": None},
    lists.InvitationListOut: {"items": [_INVITATION], "next": None},
    lists.UserListOut: {"items": [_MEMBER], "next": None},
    comments.NewComment: {"content": "Well said."},
    comments.CommentChanges: {"content": "Very well said."},
    comments.CommentOut: _COMMENT,
    lists.MediaListOut: {"items": [_IMAGE], "next": None},
    media.MediaUpload: {
        "alt": "A brass wheel with two hundred teeth",
        "file_name": "wheel.jpg",
        "file": "the bytes of wheel.jpg",
    },
    media.MediaChanges: {"alt": "A brass wheel"},
    media.MediaOut: _IMAGE,
    bookmarks.NewBookmark: {"url": "https://example.org/looms"},
    bookmarks.BookmarkOut: {
        "markdown": "> [!BOOKMARK]\n> [Looms](https://example.org/looms)\n>\n> How they work.",
        "title": "Looms",
        "description": "How they work.",
        "url": "https://example.org/looms",
        "image": None,
    },
    events.EventsOut: {"events": [_EVENT], "cursor": "k3f9x2.1235", "reset": False},
    feature_flags.FlagChange: {"enabled": False},
    feature_flags.FlagOut: _FLAG,
    accounts.NewUser: {"username": "grace", "email": "grace@example.org", "password": "a long enough one"},
    accounts.AccountChanges: {"name": "Ada Lovelace"},
    accounts.UserWithRoleOut: _USER,
    accounts.AccountOut: _USER | {"email": "ada@example.org", "pending_email": None, "age": 36, "updated_at": _AT},
    members.MemberOut: _MEMBER,
    members.UserChanges: {"role": "editor"},
    members.PasswordLinkRequest: {"send": False},
    members.PasswordLinkOut: {"url": "https://blog.example.org/set-password/WzcsIng.aBcDeF", "expires_at": _LATER},
    members.PostTransfer: {"transfer_to": "grace"},
    members.PostTransferOut: {"posts": 530},
    invitations.NewInvitation: {"role": "author", "email": "grace@example.org", "days": 7},
    invitations.InvitationOut: _INVITATION,
    members.Suspension: {"comments": "hold"},
    accounts.UserProfile: {"user": _USER, "posts": [_POST], "comments": [], "processing_time_seconds": 0.004},
    accounts.NewToken: {"username": "ada", "password": "a long enough one", "name": "laptop", "scopes": ["posts:write"]},
    accounts.TokenOut: _TOKEN | {"token": "WzUsInNlY3JldCJd.aBcDeF.signature", "token_type": "bearer"},
}


def example_of(model: Any) -> Any:
    """Return the example of a model, or of a list of a model, or None."""
    if getattr(model, "__origin__", None) is list:
        return [example_of(model.__args__[0])]
    return EXAMPLES.get(model)
