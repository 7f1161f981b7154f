"""Rendered XSS payloads: the HTML contains nothing dangerous, and in a browser no script runs and no link can run one."""

from collections.abc import Callable, Iterable, Mapping

import pytest
from playwright.sync_api import Browser, Page

from blog.text.markdown import render, render_comment
from tests.text.test_markdown import find_dangers
from tests.text.xss_payloads import load_payloads

CARRIERS: list[Callable[[str], str]] = [
    lambda payload: payload,
    lambda payload: f"text {payload} text",
    lambda payload: f"[a]({payload}) ![b](<{payload}>)\n\n[c]: {payload}\n\n[c]",
    lambda payload: f"```{payload}\n{payload}\n```\n\n# {payload}\n\n|{payload}|\n|-|\n|{payload}|\n\n[^n]\n\n[^n]: {payload}",
    lambda payload: f"${payload}$ =={payload}== a~{payload}~ a^{payload}^\n\n$$\n\\text{{{payload}}}\n$$\n\n![{payload}](a.mp4)",
    lambda payload: f"> [!NOTE]\n> {payload}\n\n{payload}\n: {payload}\n\n# a {{#{payload}}}\n\n![a](<{payload}.mp4>)",
    lambda payload: f"*[a]: {payload}\n*[{payload}]: b\n\na {payload}",
]

# A call of these functions means that a script ran: the page has no content security policy.
RECORDER = "<script>window.ran = []; for (const name of ['alert', 'confirm', 'prompt']) window[name] = x => ran.push(x)</script>"
FIND_DANGERS = """() => {
  const forbidden = ['SCRIPT', 'IFRAME', 'OBJECT', 'EMBED', 'STYLE', 'LINK', 'BASE', 'META', 'FORM'];
  const dangers = [];
  for (const element of document.querySelectorAll('article *')) {
    const names = element.getAttributeNames();
    const urls = [element.href, element.src, element.action, element.formAction].filter(a => a && typeof a === 'string');
    if (forbidden.includes(element.tagName)
        || (element.closest('math') && !element.namespaceURI.endsWith('/MathML'))
        || names.some(name => name.startsWith('on') || name === 'style' || name === 'srcdoc')
        || urls.some(url => !/^(https?|mailto):/.test(url))) dangers.push(element.outerHTML);
  }
  return dangers;
}"""
TRIGGER_EVENTS = """
for (const element of document.querySelectorAll("article *")) { element.dispatchEvent(new Event("mouseover")); element.focus?.() }
"""
BATCH_SIZE = 300
"""Fragments per page: the time of a page grows faster than its size."""
STYLE = "<style>article { contain: strict; height: 9em }</style>"
"""A focus lays out its own fragment again, and not the page: a third less time."""
PAGE_URL = "http://blog.test/"


def show(page: Page, fragments: Iterable[str]) -> None:
    """Open a page with the fragments; requests for anything else fail."""
    page.unroute_all()
    body = "".join(f"<article>{fragment}</article>" for fragment in fragments)
    page.route("**/*", lambda route: route.abort())
    html = f"<!doctype html>{STYLE}{RECORDER}{body}"
    page.route(PAGE_URL, lambda route: route.fulfill(body=html, content_type="text/html; charset=utf-8"))
    page.goto(PAGE_URL, wait_until="domcontentloaded")


@pytest.fixture(scope="module")
def fragments() -> Mapping[str, str]:
    """Return the payloads by their HTML, each payload in every carrier, in a post and in a comment."""
    payloads = dict.fromkeys(load_payloads())
    assert len(payloads) >= 100
    return {
        render_source(carrier(payload)): payload
        for payload in payloads
        for carrier in CARRIERS
        for render_source in (render, render_comment)
    }


@pytest.mark.timeout(400)
def test_xss_payloads_are_removed(fragments: Mapping[str, str]) -> None:
    for html, payload in fragments.items():
        assert list(find_dangers(html)) == [], payload


@pytest.mark.timeout(400)
def test_no_payload_runs_in_a_browser(browser: Browser, fragments: Mapping[str, str]) -> None:
    page, rendered = browser.new_page(), list(fragments)
    for start in range(0, len(rendered), BATCH_SIZE):
        batch = rendered[start : start + BATCH_SIZE]
        show(page, batch)
        assert page.evaluate("document.querySelectorAll('article').length") == len(batch), "no fragment may close its article"
        page.evaluate(TRIGGER_EVENTS)
        assert page.evaluate(FIND_DANGERS) == []
        assert page.evaluate("window.ran") == []


def test_unsanitised_payloads_are_detected(browser: Browser) -> None:
    """Without the sanitiser, the checks above fail."""
    page = browser.new_page()
    show(page, ["<img src=x onerror=alert(1)>", "<a href='javascript:alert(2)'>x</a>", "<p style='color:red'>x</p>"])
    page.wait_for_function("window.ran.length > 0")
    assert len(page.evaluate(FIND_DANGERS)) == 3
