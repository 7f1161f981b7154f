"""Links to a post in another language than the blog name its language."""

import httpx2
import pytest

from tests.web.conftest import Write


@pytest.fixture
async def german(write: Write) -> None:
    """A German post between two in the language of the blog, with a tag in common."""
    for age, (title, language) in enumerate((("Newer", None), ("Vom Weben", "de-AT"), ("Older", None))):
        await write(title, "looms", tags=["craft"], age=age, language=language)


@pytest.mark.parametrize(
    ("path", "link"),
    [
        ("/", '<a href="/posts/vom-weben" hreflang="de-AT">'),
        ("/tags/craft", '<a href="/posts/vom-weben" hreflang="de-AT">'),
        ("/search?q=looms", '<a href="/posts/vom-weben" hreflang="de-AT">'),
        ("/archive", '<a href="/posts/vom-weben" dir="auto" lang="de-AT" hreflang="de-AT">'),
        ("/nowhere", '<a href="/posts/vom-weben" dir="auto" lang="de-AT" hreflang="de-AT">'),
        ("/posts/newer", '<a href="/posts/vom-weben" dir="auto" lang="de-AT" hreflang="de-AT">'),
        ("/posts/newer", '<a class="older" rel="prev" href="/posts/vom-weben" hreflang="de-AT">'),
        ("/posts/newer", '<bdi lang="de-AT">Vom Weben</bdi>'),
        ("/posts/older", '<a class="newer" rel="next" href="/posts/vom-weben" hreflang="de-AT">'),
        ("/feed.atom", '<link rel="alternate" type="text/html" href="http://127.0.0.1:8000/posts/vom-weben" hreflang="de-AT"/>'),
        ("/feed.atom", '<link rel="alternate" type="text/html" href="http://127.0.0.1:8000/posts/newer" hreflang="en"/>'),
    ],
)
async def test_link_names_the_language(client: httpx2.AsyncClient, german: None, path: str, link: str) -> None:
    page = (await client.get(path)).text.replace(" />", "/>")
    assert link in page
    if path != "/feed.atom":
        assert page.count("hreflang=") == page.count('hreflang="de-AT"'), "posts in the language of the blog have no mark"
