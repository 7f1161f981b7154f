"""Cards of other sites: the addresses that become one, their players, and hostile addresses."""

import pytest

from blog.text.embeds import find_embed, frame_origins, with_embeds
from blog.text.excerpt import excerpt
from blog.text.markdown import render, render_comment

YOUTUBE = "https://www.youtube-nocookie.com/embed/dQw4w9WgXcQ?autoplay=1"
SPOTIFY = "https://open.spotify.com/embed/track/4uLU6hMCjMI75M1A2tKUQC"


@pytest.mark.parametrize(
    ("url", "provider", "frame_url"),
    [
        ("https://www.youtube.com/watch?v=dQw4w9WgXcQ", "YouTube", YOUTUBE),
        ("http://m.youtube.com/watch?app=x&v=dQw4w9WgXcQ&t=1m5s", "YouTube", YOUTUBE + "&start=65"),
        ("https://youtu.be/dQw4w9WgXcQ?t=90", "YouTube", YOUTUBE + "&start=90"),
        ("https://youtube.com/shorts/dQw4w9WgXcQ", "YouTube", YOUTUBE),
        ("https://www.youtube.com/live/dQw4w9WgXcQ?start=soon", "YouTube", YOUTUBE),
        ("https://vimeo.com/76979871", "Vimeo", "https://player.vimeo.com/video/76979871?dnt=1&autoplay=1"),
        (
            "https://vimeo.com/76979871/8272103f6e",
            "Vimeo",
            "https://player.vimeo.com/video/76979871?dnt=1&autoplay=1&h=8272103f6e",
        ),
        ("https://open.spotify.com/track/4uLU6hMCjMI75M1A2tKUQC?si=x", "Spotify", SPOTIFY),
        ("https://open.spotify.com/intl-de/track/4uLU6hMCjMI75M1A2tKUQC", "Spotify", SPOTIFY),
        ("https://mastodon.social/@Gargron/112345678901234567", "Mastodon", ""),
        ("https://a.example/@b@c.example/112345678901234567", "Mastodon", ""),
        ("https://bsky.app/profile/bsky.app/post/3l6oveex3ii2l", "Bluesky", ""),
        ("https://bsky.app/profile/did:plc:z72i7hdynmk6r22z27h6tvur/post/3l6oveex3ii2l", "Bluesky", ""),
        ("https://x.com/jack/status/20", "X", ""),
        ("https://twitter.com/jack/status/20?s=20", "X", ""),
    ],
)
def test_addresses_of_providers_are_known(url: str, provider: str, frame_url: str) -> None:
    embed = find_embed(url)

    assert embed is not None
    assert (embed.provider, embed.frame_url) == (provider, frame_url)
    assert with_embeds(render(url)).count(f"<strong>{provider}</strong>") == 1


OTHER = [
    "https://example.org/", "https://www.youtube.com/", "https://www.youtube.com/watch?v=short", "https://youtu.be/dQw4w9WgXcQ/x",
    "https://youtube.com.evil.example/watch?v=dQw4w9WgXcQ", "https://evil.example/?https://youtu.be/dQw4w9WgXcQ",
    "https://youtu.be@evil.example/dQw4w9WgXcQ", "https://youtu.be:8080/dQw4w9WgXcQ", "ftp://youtu.be/dQw4w9WgXcQ",
    "https://www.youtube.com/watch?v=dQw4w9W\"onl", "https://youtu.be/dQw4w9WgXc%22", "https://vimeo.com/about",
    "https://open.spotify.com/user/4uLU6hMCjMI75M1A2tKUQC", "https://open.spotify.com/track/../x", "https://x.com/jack",
    "http://mastodon.social/@Gargron/112345678901234567", "https://localhost/@a/112345678901234567", "https://[::1/@a/12345",
    "javascript:https://youtu.be/dQw4w9WgXcQ", "https://bsky.app/profile/a", "https://youtu.be/dQw4w9WgXc\u0661",
]  # fmt: skip


@pytest.mark.parametrize("url", OTHER)
def test_other_addresses_stay_links(url: str) -> None:
    assert find_embed(url) is None
    html = render(url)
    assert "embed" not in html.replace(url, "")
    assert with_embeds(html) == html


@pytest.mark.parametrize(
    "source",
    [pattern.format("https://youtu.be/dQw4w9WgXcQ") for pattern in ("See {}", "{}\nmore", "- {}", "> {}", "[a]({})", "`{}`")],
)
def test_only_addresses_alone_in_their_paragraph_become_cards(source: str) -> None:
    assert "embed" not in render(source)


def test_stored_text_is_a_link_for_feeds_and_programs() -> None:
    url = "https://youtu.be/dQw4w9WgXcQ"

    assert render(url) == f'<p class="embed"><a href="{url}" rel="noopener">{url}</a></p>\n'
    assert "embed" not in render_comment(url)
    assert excerpt(render(f"Before.\n\n{url}\n\nAfter.")) == "Before. After."


def test_cards_hold_the_player_as_data_only() -> None:
    html = with_embeds(render("https://www.youtube.com/watch?v=dQw4w9WgXcQ&t=9"))

    assert f'data-frame="{YOUTUBE}&amp;start=9" data-provider="YouTube"' in html
    assert '<a href="https://www.youtube.com/watch?v=dQw4w9WgXcQ&amp;t=9" rel="noopener">' in html
    assert "<span>youtube.com/watch?v=dQw4w9WgXcQ&amp;t=9</span>" in html
    assert "<iframe" not in html


def test_handwritten_cards_pass_the_same_check() -> None:
    def card(url: str) -> str:
        return with_embeds(render(f'<p class="embed"><a href="{url}">x</a></p>'))

    assert f'data-frame="{YOUTUBE}"' in card("https://youtu.be/dQw4w9WgXcQ")
    for url in ("https://evil.example/", "javascript:alert(1)", "https://youtu.be/&quot;onload=x", "//youtu.be/dQw4w9WgXcQ"):
        assert "data-frame" not in card(url)
    raw = '<div class="embed-card embed-video" data-frame="https://evil.example/"><iframe src="//a"></iframe></div>'
    assert with_embeds(render(raw)) == "<div></div>"


def test_policy_names_the_origins_of_the_players_only() -> None:
    addresses = (
        "https://youtu.be/dQw4w9WgXcQ",
        "https://vimeo.com/76979871",
        "https://x.com/jack/status/20",
        "https://example.org/",
    )

    origins = frame_origins(render("\n\n".join([*addresses, *addresses])))
    assert origins == ("https://player.vimeo.com", "https://www.youtube-nocookie.com")
    assert frame_origins(render("https://x.com/jack/status/20")) == ()
