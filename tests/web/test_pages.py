"""Public pages."""

import contextlib
import contextvars
import io
import re
from collections.abc import AsyncIterator
from typing import NoReturn

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from blog.app import Application, create_app
from blog.db import tables
from blog.domain.accounts import accounts, sessions
from blog.domain.comments import comments
from blog.domain.core.context import Context
from blog.domain.media import media
from blog.domain.posts import post_lists, posts, preview_links
from blog.errors import Unavailable
from blog.framework.request.state import AppState
from blog.schemas.accounts import Role
from blog.schemas.comments import NewComment
from blog.schemas.media import NewMedia
from blog.schemas.posts import PostChanges, PostStatus
from blog.schemas.preview_links import Lifetime, NewPreviewLink
from blog.settings import Settings
from blog.text.markdown import render
from tests.conftest import ORIGIN, MakeUser, running
from tests.support import matching
from tests.support.optional import unwrap
from tests.support.pictures import png
from tests.web.conftest import SignIn, Write

PUBLIC = ["/", "/posts/on-engines", "/tags", "/tags/maths", "/authors/ada", "/archive", "/search", "/search?q=engines"]
FORMS = ["/login", "/register", "/nowhere"]
HOSTILE = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


# Set while a page is asked for: the application's own tasks, which follow the event log, do not see it.
asked_by_test = contextvars.ContextVar("asked_by_test", default=False)


@contextlib.asynccontextmanager
async def opened(app: Application) -> AsyncIterator[tuple[httpx2.AsyncClient, AppState]]:
    """Yield a client and the state of the application; crashes are responses, as from a server."""
    async with app.router.lifespan_context(app) as state:
        assert state is not None

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": dict(state)}, receive, send)

        transport = httpx2.ASGITransport(with_state, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN) as client:
            yield client, state["app_state"]


def titles(answer: httpx2.Response) -> list[str]:
    found = re.findall(r'<h2 class="card-title"[^>]*><a [^>]*>(.*?)</a>', answer.text)
    return [re.sub("</?mark>", "", title) for title in found]


@pytest.mark.parametrize("path", PUBLIC + FORMS)
async def test_every_page_is_complete_html(client: httpx2.AsyncClient, write: Write, path: str) -> None:
    await write("On engines", tags=["maths"])
    answer = await client.get(path)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    caching = "no-store" if path in ("/login", "/register") else "private, no-cache"
    assert (answer.headers["cache-control"], answer.headers["vary"]) == (caching, "Cookie, Accept-Encoding")
    page = answer.text
    assert page.startswith("<!doctype html>")
    assert page.count("<h1") == page.count("<main") == page.count("</html>") == 1
    assert '<html lang="en">' in page
    assert '<a class="skip-link" href="#main">' in page
    assert "style=" not in page
    scripts = re.findall(r"<script[^>]*>", page)
    assert scripts == re.findall(r'<script type="(?:module" src="[^"]*|application/ld\+json)">', page)


PRIVATE = [
    "/dashboard/posts", "/admin/posts",
    "/write", "/posts/on-engines/edit", "/posts/on-engines/delete", "/posts/on-engines/history", "/posts/on-engines/history/1",
    "/posts/on-engines/history/diff?from=1&to=2", "/posts/on-engines/views",
    "/posts/a-draft", "/posts/a-draft/previews", "/dashboard", "/media-library",
    "/moderation", "/notifications", "/comments/1/reply", "/comments/1/edit", "/comments/1/remove", "/account", "/admin",
    "/admin/members", "/admin/members/1", "/admin/members/1/delete",
]  # fmt: skip


@pytest.mark.sqlite
@pytest.mark.parametrize("path", PRIVATE + PUBLIC)
async def test_browsers_store_public_pages_only(client: httpx2.AsyncClient, author: Context, write: Write, path: str) -> None:
    post = await write("On engines", tags=["maths"])
    await write("A draft", status=PostStatus.DRAFT)
    await posts.edit(author, post.id, PostChanges(title="More on engines"))
    await comments.create(author, post.id, NewComment(content="Yes."))
    await accounts.set_role(author, "ada", Role.OWNER)
    session = await sessions.start(author, author.require_actor(), "a browser")
    answer = await client.get(path, headers={"Cookie": f"session={session}"})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == ("no-store" if path in PRIVATE else "private, no-cache")


@pytest.mark.parametrize("path", PUBLIC)
async def test_public_pages_answer_200_with_title_and_description(client: httpx2.AsyncClient, write: Write, path: str) -> None:
    await write("On engines", tags=["maths"])
    answer = await client.get(path)
    assert answer.status_code == 200
    assert '<meta name="description" content="' in answer.text
    if "search" not in path:
        assert f'<link rel="canonical" href="{ORIGIN}{path}">' in answer.text
        assert f'<meta property="og:url" content="{ORIGIN}{path}">' in answer.text


async def test_home_of_an_empty_blog_says_so(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/")
    assert re.search(r'<div class="empty" id="posts-empty">\s*<p class="empty-title">No posts yet', answer.text)
    assert 'rel="next"' not in answer.text


async def test_home_is_paged_newest_first(client: httpx2.AsyncClient, write: Write) -> None:
    for number in range(25):
        await write(f"Post {number}", age=number)
    first = await client.get("/")
    older = matching.search(r'<a rel="next" href="([^"]+)"', first.text)[1]
    second = await client.get(older)
    assert titles(first) + titles(second) == [f"Post {number}" for number in range(25)]
    assert 'rel="next"' not in second.text
    assert "data-live-first" in first.text
    assert "data-live-first" not in second.text


async def test_list_addresses_survive_unknown_parameters_and_refuse_bad_cursors(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/?utm_source=letter")).status_code == 200
    refused = await client.get("/?cursor=nonsense")
    assert refused.status_code == 422
    assert "Not a valid cursor" in refused.text


async def test_next_page_of_a_tag_with_odd_characters_is_reachable(client: httpx2.AsyncClient, write: Write) -> None:
    for number in range(21):
        await write(f"Post {number}", tags=["c#/c++ 100%?"], age=number)
    first = await client.get("/tags/c%23%2Fc%2B%2B%20100%25%3F")
    second = await client.get(matching.search(r'<a rel="next" href="([^"]+)"', first.text)[1])
    assert (len(titles(first)), titles(second)) == (20, ["Post 20"])


async def test_home_and_post_have_the_cursor_of_their_content(client: httpx2.AsyncClient, ctx: Context, write: Write) -> None:
    post = await write("On engines")
    front = await post_lists.front_page(ctx)
    meta = f'<meta name="live-cursor" content="{front.position.cursor}">'
    assert front.position.id == 1
    assert meta in (await client.get("/")).text
    page = (await client.get("/posts/on-engines")).text
    assert meta in page
    assert f'data-live="post:{post.id}"' in page
    assert "live-cursor" not in (await client.get("/archive")).text


async def test_post_shows_text_tags_and_all_its_authors(
    client: httpx2.AsyncClient, ctx: Context, write: Write, make_user: MakeUser
) -> None:
    post = await write("On engines", "It *weaves*.", tags=["maths", "looms"])
    for position, name in enumerate(["grace", "mary"], start=1):
        user = await make_user(name)
        await ctx.db.execute(tables.post_authors.insert().values(post_id=post.id, user_id=user.id, position=position))
    page = (await client.get("/posts/on-engines")).text
    assert '<h1 dir="auto">On engines</h1>' in page
    assert "<p>It <em>weaves</em>.</p>" in page
    byline = re.sub(r"<[^>]*>", "", matching.search(r'<p class="byline">.*?</p>', page, re.DOTALL)[0]).strip()
    assert byline == "By ada, grace and mary"
    assert '<a rel="tag" href="/tags/looms" dir="auto">looms</a>' in page
    assert 'href="/authors/mary">mary</a>' in (await client.get("/")).text, "cards name all authors, too"


async def test_fragments_do_not_depend_on_the_user(
    client: httpx2.AsyncClient, write: Write, sign_in: SignIn, author: Context
) -> None:
    post = await write("On engines", tags=["maths"])
    await comments.create(author, post.id, NewComment(content="Well."))
    editor = await sign_in("eve", Role.EDITOR)
    for path in ("/", "/posts/on-engines"):
        stranger, known = [(await client.get(path, headers=headers)).text for headers in ({}, editor)]
        articles = re.findall(r"<article.*?</article>", stranger, re.DOTALL)
        assert articles
        assert articles == re.findall(r"<article.*?</article>", known, re.DOTALL)


async def test_post_actions_are_shown_with_permission(client: httpx2.AsyncClient, write: Write, sign_in: SignIn) -> None:
    await write("On engines")
    for headers, offered in [({}, False), (await sign_in("bob"), False), (await sign_in("eve", Role.EDITOR), True)]:
        page = (await client.get("/posts/on-engines", headers=headers)).text
        assert ('href="/posts/on-engines/edit"' in page) is offered


async def test_draft_is_hidden_from_anonymous_users(client: httpx2.AsyncClient, write: Write, sign_in: SignIn) -> None:
    await write("Secret plans", tags=["plots"], status=PostStatus.DRAFT)
    bob = await sign_in("bob")
    for headers in ({}, bob):
        assert (await client.get("/posts/secret-plans", headers=headers)).status_code == 404
        assert (await client.get("/tags/plots", headers=headers)).status_code == 404
        for path in ("/", "/tags", "/authors/ada", "/archive", "/search?q=secret"):
            assert "Secret plans" not in (await client.get(path, headers=headers)).text
    assert "plots" not in (await client.get("/tags")).text


async def test_editors_see_a_draft_marked_as_one(client: httpx2.AsyncClient, write: Write, sign_in: SignIn) -> None:
    await write("Secret plans", status=PostStatus.DRAFT)
    page = await client.get("/posts/secret-plans", headers=await sign_in("eve", Role.EDITOR))
    assert page.status_code == 200
    assert "<strong>Draft.</strong>" in page.text
    assert '<meta name="robots" content="noindex">' in page.text


async def test_old_slug_redirects_to_the_new_one(client: httpx2.AsyncClient, author: Context, write: Write) -> None:
    post = await write("On engines")
    await posts.edit(author, post.id, PostChanges(slug="engines-again"))
    answer = await client.get("/posts/on-engines")
    assert (answer.status_code, answer.headers["location"]) == (301, "/posts/engines-again")
    assert (await client.get("/posts/engines-again")).status_code == 200


async def test_hostile_titles_tags_and_names_are_text(client: httpx2.AsyncClient, ctx: Context, write: Write) -> None:
    await write(HOSTILE[:200], tags=["<b>bold"], slug="hostile")
    await ctx.db.execute(tables.users.update().values(name="<i>ada</i>"))
    for path in ("/", "/posts/hostile", "/tags", "/tags/%3Cb%3Ebold", "/authors/ada", "/archive", "/search?q=%3Cimg+alert"):
        page = await client.get(path)
        assert page.status_code == 200
        assert "<img" not in page.text
        assert "<script>" not in page.text
        assert "<b>" not in page.text
        assert "<i>" not in page.text
        assert "&lt;" in page.text


async def test_archive_is_grouped_by_year(client: httpx2.AsyncClient, ctx: Context, write: Write) -> None:
    for title, age in [("New", 0), ("Old", 800)]:
        await write(title, age=age)
    page = (await client.get("/archive")).text
    years = [str(unwrap((await posts.get_by_slug(ctx, slug)).published_at).year) for slug in ("new", "old")]
    assert re.findall(r'<h2 id="year-(\d+)">', page) == years
    assert page.index(">New</a>") < page.index(f"year-{years[1]}") < page.index(">Old</a>")


async def test_archive_of_many_years_has_a_link_to_each(client: httpx2.AsyncClient, write: Write) -> None:
    for age in (0, 400, 800):
        await write(f"Post {age}", age=age)
    page = (await client.get("/archive")).text
    assert re.findall(r'<a href="#year-(\d+)">', page) == re.findall(r'<h2 id="year-(\d+)">', page)
    assert len(set(re.findall(r'<h2 id="year-(\d+)">', page))) == 3


async def test_many_tags_are_grouped_by_initial(client: httpx2.AsyncClient, write: Write) -> None:
    names = [f"{letter}{number}" for letter in "aé字9#" for number in range(9)]
    await write("Few", tags=names[:18])
    assert "<h2" not in (await client.get("/tags")).text
    await write("More", tags=names[18:36])
    await write("Most", tags=names[36:])
    page = (await client.get("/tags")).text
    assert sorted(re.findall(r'<h2 id="letter-\d+">([^<]+)</h2>', page)) == sorted(["A", "É", "字", "0–9", "…"])
    assert len(re.findall(r'<a rel="tag"', page)) == 45


async def test_tag_page_has_its_post_count_and_related_tags(client: httpx2.AsyncClient, write: Write) -> None:
    await write("One", tags=["maths", "looms"])
    await write("Two", tags=["MATHS", "looms", "cards"])
    await write("Three", tags=["cards"])
    await write("Hidden", tags=["maths", "plots"], status=PostStatus.DRAFT)
    page = (await client.get("/tags/Maths")).text
    lead = re.sub("<[^>]*>", "", matching.search(r'<p class="page-lead">(.*?)</p>', page)[1])
    assert lead == "2 posts. Related tags: looms and cards."
    assert 'data-live="tag:maths"' in page


async def test_author_page_has_post_count_and_topics(client: httpx2.AsyncClient, write: Write) -> None:
    await write("One", tags=["maths", "looms"])
    await write("Two", tags=["looms"])
    await write("Hidden", tags=["plots"], status=PostStatus.DRAFT)
    page = (await client.get("/authors/ada")).text
    lead = re.sub("<[^>]*>", "", matching.search(r'<p class="page-lead">(.*?)</p>', page)[1])
    assert lead == "2 posts, mostly about looms and maths."


async def test_lists_have_the_cursor_of_their_content(client: httpx2.AsyncClient, ctx: Context, write: Write) -> None:
    await write("On engines", tags=["maths"])
    cursor = (await post_lists.front_page(ctx)).position.cursor
    for path in ("/tags/maths", "/authors/ada"):
        assert f'<meta name="live-cursor" content="{cursor}">' in (await client.get(path)).text


async def test_long_post_has_a_table_of_contents_and_a_reading_time(client: httpx2.AsyncClient, write: Write) -> None:
    await write("Long", "\n\n".join(f"## Part {number}\n\n{'word ' * 300}" for number in range(3)), slug="long")
    await write("Short", "## A\n\n## B\n\n## C", slug="short")
    page = (await client.get("/posts/long")).text
    assert re.findall(r'<a href="#(c-part-\d)" dir="auto">(Part \d)</a>', page) == [
        (f"c-part-{n}", f"Part {n}") for n in range(3)
    ]
    assert '<nav class="contents" aria-labelledby="contents-title">' in page
    assert "4 min read" in page
    assert "4 min read" in (await client.get("/")).text
    short = (await client.get("/posts/short")).text
    assert "contents" not in short
    assert "1 min read" in short


async def test_post_links_to_the_previous_and_next_post(client: httpx2.AsyncClient, write: Write) -> None:
    await write("Old", age=2, tags=["maths"])
    await write("Now", age=1, tags=["maths"])
    await write("New", tags=["looms"])
    page = (await client.get("/posts/now")).text
    assert re.search(r'<a class="older" rel="prev" href="/posts/old">', page)
    assert re.search(r'<a class="newer" rel="next" href="/posts/new">', page)
    assert re.findall(r'<li><a href="/posts/([^"]+)" dir="auto">', page[page.index("related-title") :]) == ["old"]


async def test_cards_show_the_comment_count(client: httpx2.AsyncClient, write: Write, author: Context) -> None:
    post = await write("On engines")
    quiet = r'<p class="card-comments" hidden><a href="/posts/on-engines#comments">0 comments</a></p>'
    assert quiet in (await client.get("/")).text
    await comments.create(author, post.id, NewComment(content="Well."))
    assert '<p class="card-comments"><a href="/posts/on-engines#comments">1 comment</a></p>' in (await client.get("/")).text


async def test_own_images_offer_smaller_copies_wherever_a_text_is_shown(
    client: httpx2.AsyncClient, author: Context, write: Write, sign_in: SignIn
) -> None:
    own, _ = await media.upload(author, io.BytesIO(png(2000, 1500)), NewMedia())
    (wide, middle, narrow) = (f"/media/{variant.name}" for variant in own.variants)
    path = f"/media/{own.name}"
    expected = f'width="2000" height="1500" srcset="{narrow} 480w, {middle} 960w, {wide} 1600w, {path} 2000w"'
    text = f"![A loom]({path})"
    post = await write("Looms", text, slug="looms")
    draft = await write("Draft", text, status=PostStatus.DRAFT, slug="draft")
    page = {"slug": "about", "title": "About", "content": text, "html": render(text), "renderer_version": 1, "version": 1}
    await author.db.execute(
        tables.static_pages.insert().values(
            page | {"editor_id": author.require_actor().id, "created_at": author.now, "updated_at": author.now}
        )
    )
    await preview_links.create(author, draft.id, NewPreviewLink(lifetime=Lifetime.DAY))
    (link,) = await preview_links.list_valid(author, draft.id)
    edo = await sign_in("edo", Role.EDITOR)
    for place in ("/posts/looms", "/about", f"/preview/{link.secret}", "/posts/looms/history/1", "/posts/draft"):
        assert expected in (await client.get(place, headers=edo)).text, place
    preview = await client.post("/write/preview", json={"content": text}, headers=edo)
    assert expected in preview.text
    form = await client.post("/write/preview", data={"title": "A", "content": text}, headers=edo)
    assert expected in form.text
    assert f'src="{path}"' in (await client.get(f"/api/v1/posts/{post.id}")).json()["html"]
    assert "srcset" not in (await client.get("/feed.atom")).text
    await media.delete(author, own.id)
    assert f'src="{path}" alt="A loom" decoding="async" width="2000" height="1500">' in (await client.get("/posts/looms")).text


async def test_uploaded_images_have_sizes_and_external_ones_are_unchanged(
    client: httpx2.AsyncClient, settings: Settings, author: Context, write: Write
) -> None:
    own, _ = await media.upload(author, io.BytesIO(png(30, 20)), NewMedia())
    smaller = f"{settings.public_url}/media/{own.name}"
    await write("Looms", f"![](/media/{own.name})\n\n![]({smaller})\n\n![](/media/{'0' * 64}.png)", slug="looms")
    images = re.findall("<img[^>]*>", (await client.get("/posts/looms")).text)
    assert ['width="30" height="20"' in image for image in images] == [True, True, False]
    assert ["lazy" in image for image in images] == [False, True, True]


async def test_author_page_ignores_case(client: httpx2.AsyncClient, write: Write) -> None:
    await write("On engines")
    assert "On engines" in (await client.get("/authors/ADA")).text
    assert (await client.get("/authors/nobody")).status_code == 404


async def test_search_finds_words_and_says_when_it_does_not(client: httpx2.AsyncClient, write: Write) -> None:
    await write("On engines", "It weaves algebraic patterns.")
    found = await client.get("/search?q=algebraic+patt")
    assert titles(found) == ["On engines"]
    assert "<strong>1 post</strong> for “algebraic patt”" in found.text
    assert "It weaves <mark>algebraic</mark> <mark>patterns</mark>." in found.text
    none = await client.get("/search?q=zebra")
    assert (none.status_code, titles(none)) == (200, [])
    assert "No posts for “zebra”" in none.text


async def test_search_pages_have_all_counted_results(client: httpx2.AsyncClient, write: Write) -> None:
    for number in range(23):
        await write(f"Loom {number}")
    first = await client.get("/search?q=loom")
    assert "<strong>23 posts</strong> for “loom”, page 1 of 2" in first.text
    assert 'rel="prev"' not in first.text
    second = await client.get(matching.search(r'<a rel="next" href="([^"]+)"', first.text)[1].replace("&amp;", "&"))
    assert sorted(titles(first) + titles(second)) == sorted(f"Loom {number}" for number in range(23))
    assert 'rel="next"' not in second.text
    assert re.search(r'<a rel="prev" href="/search\?q=loom&amp;page=1"', second.text)


async def test_search_with_too_many_matches_says_that_older_posts_are_omitted(
    client: httpx2.AsyncClient, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blog.domain.posts.search.MAX_RANKED", 2)
    for number in range(4):
        await write(f"Loom {number}")
    found = (await client.get("/search?q=loom")).text
    assert "<strong>2 posts</strong> for “loom”. Older matches are not shown: add a word to narrow the search." in found
    assert "not shown" not in (await client.get("/search?q=3")).text


@pytest.mark.sqlite
@pytest.mark.parametrize("page", ["0", "3", "-1", "x", "١", "9999999"])
async def test_missing_page_of_results_is_404(client: httpx2.AsyncClient, write: Write, page: str) -> None:
    await write("Loom")
    assert (await client.get("/search", params={"q": "loom", "page": page})).status_code == 404


async def test_passage_with_markup_is_text(client: httpx2.AsyncClient, write: Write) -> None:
    await write("Hostile", "`<img src=x onerror=alert(1)>` loom")
    page = (await client.get("/search?q=loom")).text
    assert "&lt;img src=x onerror=alert(1)&gt; <mark>loom</mark>" in page


@pytest.mark.parametrize("typed", ['"', "*", "NEAR(", "title:x", "-", "a AND", "' OR 1=1 --", "…", "a^2", "{x}"])
async def test_search_accepts_any_words(client: httpx2.AsyncClient, typed: str) -> None:
    answer = await client.get("/search", params={"q": typed})
    assert answer.status_code == 200


@pytest.mark.parametrize("typed", ["nul\x00", "x" * 201])
async def test_search_refuses_invalid_text_and_shows_it_again(client: httpx2.AsyncClient, typed: str) -> None:
    answer = await client.get("/search", params={"q": typed})
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert typed in answer.text


async def test_robots_are_excluded_from_forms(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/robots.txt")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.startswith("User-agent: *\n")
    assert "Disallow: /search\n" in answer.text


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("path", "title"),
    [
        *((path, "Page not found") for path in ("/nowhere", "/posts/nowhere", "/tags/nowhere", "/comments/7/edit/x")),
        *((f"/{kind}/x", "This link doesn&#39;t work any more") for kind in ("setup", "set-password", "invitation", "preview")),
    ],
)
async def test_not_found_page_has_its_correlation_id(client: httpx2.AsyncClient, path: str, title: str) -> None:
    answer = await client.get(path, headers={"X-Correlation-ID": "<b>order-7"})
    assert answer.status_code == 404
    assert f"<h1>{title}</h1>" in answer.text
    assert "<code>&lt;b&gt;order-7</code>" in answer.text


async def test_not_found_page_offers_search_and_latest_posts(client: httpx2.AsyncClient, write: Write) -> None:
    for number in range(7):
        await write(f"Post {number}", age=number)
    await write("Secret plans", status=PostStatus.DRAFT)
    page = (await client.get("/nowhere")).text
    assert 'role="search"' in page
    assert re.findall(r'<li><a href="/posts/([^"]+)" dir="auto">', page) == [f"post-{number}" for number in range(5)]


async def test_not_found_page_works_without_the_database(
    client: httpx2.AsyncClient, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(ctx: Context, limit: int | None = None) -> NoReturn:
        raise Unavailable("The database is away")

    await write("On engines")
    monkeypatch.setattr(post_lists, "archive", away)
    answer = await client.get("/nowhere")
    assert answer.status_code == 404
    assert "Page not found" in answer.text
    assert "Latest posts</h2>" not in answer.text
    away_page = await client.get("/archive?a=b")
    assert (away_page.status_code, away_page.headers["retry-after"]) == (503, "5")
    assert "Temporarily unavailable" in away_page.text
    assert '<a class="button" href="/archive?a=b">Try again</a>' in away_page.text


async def test_rate_limited_page_offers_a_retry(settings: Settings) -> None:
    async with running(create_app(settings.model_copy(update={"rate_limit": "1/minute"}))) as client:
        await client.get("/tags")
        answer = await client.get("/tags")
    assert answer.status_code == 429
    assert "Too many requests" in answer.text
    assert '<a class="button" href="/tags">Try again</a>' in answer.text


async def test_wrong_method_page_has_an_allow_header(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/archive", headers={"Origin": ORIGIN})
    assert answer.status_code == 405
    assert {verb.strip() for verb in answer.headers["allow"].split(",")} >= {"GET", "OPTIONS"}
    assert "Method not allowed" in answer.text
    options = await client.options("/archive")
    assert (options.status_code, options.headers["allow"]) == (204, answer.headers["allow"])


async def test_crash_page_does_not_reveal_its_cause(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    async def crash(ctx: Context) -> NoReturn:
        raise RuntimeError("the password is swordfish")

    monkeypatch.setattr(post_lists, "archive", crash)
    async with opened(app) as (client, services):
        asked = []
        services.site.db.on_query.append(lambda sql: asked.append(sql) if asked_by_test.get() else None)
        token = asked_by_test.set(True)
        answer = await client.get("/archive", headers={"X-Correlation-ID": "order-7"})
        asked_by_test.reset(token)
    assert answer.status_code == 500
    assert "Something went wrong" in answer.text
    assert "<code>order-7</code>" in answer.text
    assert "swordfish" not in answer.text
    assert "RuntimeError" not in answer.text
    assert "content-security-policy" in answer.headers
    assert '<a class="button" href="/archive">Try again</a>' in answer.text
    assert asked == [], "a crash may be the database's: its page asks for nothing"


async def test_wrong_bearer_token_on_a_page_is_401_not_a_loop(client: httpx2.AsyncClient) -> None:
    for path in ("/", "/login", "/account"):
        answer = await client.get(path, headers={"Authorization": "Bearer nonsense"})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert "This token is invalid" in answer.text


async def test_project_name_is_configurable(settings: Settings) -> None:
    async with running(create_app(settings.model_copy(update={"project_name": "Tea & <Biscuits>"}))) as client:
        page = (await client.get("/")).text
    assert "<title>Tea &amp; &lt;Biscuits&gt;</title>" in page


async def test_number_of_queries_does_not_grow_with_the_content(app: Application, author: Context, write: Write) -> None:
    paths = ("/", "/tags/maths", "/posts/the-first", "/authors/ada", "/archive", "/tags", "/search?q=post", "/nowhere")
    first = await write("The first", tags=["maths"])
    counts = []
    async with opened(app) as (client, services):
        seen: list[str] = []
        services.site.db.on_query.append(lambda sql: seen.append(sql) if asked_by_test.get() else None)
        for total in (3, 30):
            while len(await post_lists.archive(author)) < total:
                number = len(await post_lists.archive(author))
                await write(f"Post {number}", tags=["maths", f"tag {number}"])
                made = await comments.create(author, first.id, NewComment(content=f"Comment {number}"))
                await comments.create(author, first.id, NewComment(content="An answer", parent_id=made.id))
            for path in paths:
                seen.clear()
                token = asked_by_test.set(True)
                assert (await client.get(path)).status_code in (200, 404)
                asked_by_test.reset(token)
                counts.append(len(seen))
    few, many = counts[: len(paths)], counts[len(paths) :]
    assert few == many
    assert 1 <= min(few) <= max(few) <= 9  # BEGIN and COMMIT count
