"""Structured data for search engines: the blog and its posts in the vocabulary of schema.org, as JSON-LD."""

from typing import Any

from starlette.requests import Request

from blog.domain.posts.models import Post
from blog.framework.request.state import app_state
from blog.framework.templating.templating import format_rfc3339
from blog.web.posts.share_image import ShareImage


def blog_structured_data(request: Request) -> dict[str, Any]:
    """Return the description of the blog, with its search."""
    state = app_state(request)
    home = state.urls.url("web:home")
    preferences = state.site.runtime_settings.preferences
    about = {"url": home, "name": state.site.title, "description": preferences.description, "inLanguage": preferences.language}
    search = {"@type": "EntryPoint", "urlTemplate": f"{state.urls.url('web:search')}?q={{words}}"}
    action = {"@type": "SearchAction", "target": search, "query-input": "required name=words"}
    graph = [
        {"@type": "WebSite", "@id": f"{home}#site", **about, "potentialAction": action},
        {"@type": "Blog", "@id": f"{home}#blog", **about},
    ]
    return {"@context": "https://schema.org", "@graph": graph}


def post_structured_data(request: Request, post: Post, image: ShareImage) -> dict[str, Any]:
    """Return the description of a post with its image."""
    state = app_state(request)
    urls, home = state.urls, state.urls.url("web:home")
    url = post.canonical_url or urls.url("web:post", slug=post.slug)
    size = {"width": image.width, "height": image.height} if image.width else {}
    return {
        "@context": "https://schema.org",
        "@type": "BlogPosting",
        "@id": url,
        "url": url,
        "mainEntityOfPage": url,
        "headline": post.search_title,
        "description": post.search_description,
        "image": {"@type": "ImageObject", "url": image.url, **size},
        "datePublished": format_rfc3339(post.published_at or post.created_at),
        "dateModified": format_rfc3339(post.updated_at),
        "author": [
            {"@type": "Person", "name": author.name, "url": urls.url("web:author", username=author.username)}
            for author in post.authors
        ],
        "publisher": {"@type": "Organization", "name": state.site.title, "url": home},
        "isPartOf": {"@type": "Blog", "@id": f"{home}#blog", "name": state.site.title},
        "keywords": list(post.tags),
        "wordCount": post.word_count,
        "commentCount": post.comment_count,
        "inLanguage": post.language or state.site.runtime_settings.preferences.language,
    }
