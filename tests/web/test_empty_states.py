"""Pages without content say what comes next, with a link to it."""

import html
import re

import httpx2
import pytest

from blog.schemas.accounts import Role
from tests.web.conftest import SignIn

# path, role, words, and the link with its text
STATES = [
    ("/", None, "No posts yet.", "/feed.rss", "Follow the feed"),
    ("/", Role.AUTHOR, "No posts yet.", "/write", "Write your first post"),
    ("/archive", None, "No posts yet.", "/feed.rss", "Follow the feed"),
    ("/archive", Role.AUTHOR, "No posts yet.", "/write", "Write your first post"),
    ("/tags", None, "No tags yet.", "/archive", "archive"),
    ("/tags", Role.AUTHOR, "No tags yet.", "/write", "Write a post with tags"),
    ("/search?q=looms", None, "No posts for “looms”", "/archive", "archive"),
    ("/dashboard", Role.AUTHOR, "No drafts.", "/write", "Start one"),
    ("/dashboard", Role.AUTHOR, "Nothing scheduled. Set a time when you publish a draft.", "/write", "Start one"),
    ("/dashboard", Role.AUTHOR, "No published posts.", "/write", "Write your first post"),
    ("/dashboard?status=published", Role.AUTHOR, "No published posts.", "/write", "Write your first post"),
    ("/dashboard/posts", Role.AUTHOR, "No posts yet.", "/write", "Write your first post"),
    ("/dashboard/posts?status=deleted", Role.AUTHOR, "The trash is empty.", "/dashboard/posts", "Show all posts"),
    ("/admin/posts", Role.EDITOR, "No posts yet.", "/write", "Write your first post"),
    ("/admin/posts?q=looms", Role.EDITOR, "No matching posts.", "/admin/posts", "Show all posts"),
    ("/media-library", Role.AUTHOR, "No files yet.", "#field-file", "Choose a file"),
    ("/media-library?q=looms", Role.AUTHOR, "No matching files.", "/media-library", "Show all files"),
    ("/moderation", Role.AUTHOR, "Nothing to review.", "/moderation?status=visible", "Show approved comments"),
    ("/moderation?status=visible", Role.AUTHOR, "No comments yet.", "/dashboard", "Publish a post"),
    ("/moderation?status=spam", Role.AUTHOR, "No spam.", "/moderation", "Show pending comments"),
    ("/moderation?q=looms", Role.AUTHOR, "No matching comments.", "/moderation?status=pending", "Show all of them"),
    ("/notifications", Role.READER, "No notifications yet.", "/", "Read the latest posts"),
    ("/notifications", Role.AUTHOR, "No notifications yet.", "/write", "Write a post"),
    ("/admin/tags", Role.EDITOR, "No tags yet.", "/write", "Write a post with tags"),
    ("/admin/tags?q=looms", Role.EDITOR, "No matching tags.", "/admin/tags", "Show all tags"),
    ("/admin/members", Role.OWNER, "You are the only member.", "/admin/invitations", "Invite other people"),
    ("/admin/members?q=looms", Role.OWNER, "No matching members.", "/admin/members", "Show all members"),
    ("/admin/invitations", Role.OWNER, "No invitations yet.", "#field-email", "Invite somebody"),
    ("/admin/audit?user=looms", Role.OWNER, "No matching entries.", "/admin/audit", "Show all"),
    ("/admin/pages", Role.OWNER, "No pages yet.", "/admin/pages/new", "Write a page about the blog"),
    ("/admin", Role.OWNER, "No views yet.", "/write", "Write your first post"),
]


@pytest.mark.parametrize(("path", "role", "words", "target", "label"), STATES)
async def test_empty_page_says_the_next_step(
    client: httpx2.AsyncClient, sign_in: SignIn, path: str, role: Role | None, words: str, target: str, label: str
) -> None:
    headers = await sign_in("ada", role) if role else {}
    page = (await client.get(path, headers=headers)).text
    main = page[page.index("<main") : page.index("</main>")]
    text = html.unescape(" ".join(re.sub(r"<[^>]+>", " ", main).split()))
    assert words in text
    assert (target, label) in re.findall(r'<a href="([^"]+)"[^>]*>([^<]+)</a>', main)
    if target.startswith("#"):
        assert f'id="{target[1:]}"' in main
    else:
        assert (await client.get(target, headers=headers)).status_code == 200


async def test_owner_with_other_members_is_not_the_only_one(client: httpx2.AsyncClient, sign_in: SignIn) -> None:
    ora = await sign_in("ora", Role.OWNER)
    await sign_in("ada", Role.AUTHOR)
    assert "You are the only member." not in (await client.get("/admin/members", headers=ora)).text
    assert "You are the only member." not in (await client.get("/admin/members?q=ora", headers=ora)).text
