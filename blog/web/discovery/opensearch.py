"""The OpenSearch description, with which browsers offer to search the blog."""

from xml.etree.ElementTree import Element, SubElement

from starlette.requests import Request
from starlette.responses import Response

from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.state import app_state
from blog.framework.response.cacheable import cacheable_response
from blog.framework.templating.templating import static_url
from blog.web.discovery.feed_formats import serialise_xml, strip_invalid_xml

_CACHE_CONTROL = "public, max-age=86400"
_MEDIA_TYPE = "application/opensearchdescription+xml"
_MAX_SHORT_NAME_LENGTH = 16  # OpenSearch 1.1


class OpenSearch(Endpoint):
    """/opensearch.xml: the document that pages link to with `rel="search"`."""

    async def get(self, request: Request) -> Response:
        """Return the description, or 304."""
        state = app_state(request)
        urls, title = state.urls, strip_invalid_xml(state.site.title)
        root = Element("OpenSearchDescription", {"xmlns": "http://a9.com/-/spec/opensearch/1.1/"})
        SubElement(root, "ShortName").text = title[:_MAX_SHORT_NAME_LENGTH].strip()
        SubElement(root, "Description").text = f"Search {title}"
        SubElement(root, "InputEncoding").text = "UTF-8"
        icon = SubElement(root, "Image", {"type": "image/svg+xml", "width": "16", "height": "16"})
        icon.text = urls.public_url + static_url("img/favicon.svg")
        for media_type, rel, url in (
            ("text/html", "results", f"{urls.url('web:search')}?q={{searchTerms}}"),
            ("application/atom+xml", "results", f"{urls.url('web:search_feed', format='atom')}?q={{searchTerms}}"),
            (_MEDIA_TYPE, "self", urls.url("web:opensearch")),
        ):
            SubElement(root, "Url", {"type": media_type, "rel": rel, "template": url})
        return cacheable_response(request, serialise_xml(root), _MEDIA_TYPE, cache_control=_CACHE_CONTROL)
