"""Rendered XSS payloads in a browser: no script runs, and no link can run one."""

from collections.abc import Iterable

import pytest
from playwright.sync_api import Browser, Page

from blog.text.markdown import render, render_comment
from tests.text.test_markdown import CARRIERS
from tests.text.xss_payloads import load_payloads

# A call of these functions means that a script ran: the page has no content security policy.
RECORDER = "<script>window.ran = []; for (const name of ['alert', 'confirm', 'prompt']) window[name] = x => ran.push(x)</script>"
FIND_DANGERS = """() => {
  const forbidden = ['SCRIPT', 'IFRAME', 'OBJECT', 'EMBED', 'STYLE', 'LINK', 'BASE', 'META', 'FORM'];
  const dangers = [];
  for (const element of document.querySelectorAll('article *')) {
    const names = element.getAttributeNames();
    const urls = [element.href, element.src, element.action, element.formAction].filter(a => a && typeof a === 'string');
    if (forbidden.includes(element.tagName)
        || names.some(name => name.startsWith('on') || name === 'style' || name === 'srcdoc')
        || urls.some(url => !/^(https?|mailto):/.test(url))) dangers.push(element.outerHTML);
  }
  return dangers;
}"""
TRIGGER_EVENTS = """
for (const element of document.querySelectorAll("article *")) { element.dispatchEvent(new Event("mouseover")); element.focus?.() }
"""
BATCH_SIZE = 150
"""Sources per page: a focus lays out the whole page again, so that the time grows with its square."""
PAGE_URL = "http://blog.test/"


def show(page: Page, fragments: Iterable[str]) -> None:
    """Open a page with the fragments; requests for anything else fail."""
    page.unroute_all()
    body = "".join(f"<article>{fragment}</article>" for fragment in fragments)
    page.route("**/*", lambda route: route.abort())
    html = f"<!doctype html>{RECORDER}{body}"
    page.route(PAGE_URL, lambda route: route.fulfill(body=html, content_type="text/html; charset=utf-8"))
    page.goto(PAGE_URL, wait_until="domcontentloaded")


@pytest.mark.timeout(400)
def test_no_payload_runs_in_a_browser(browser: Browser) -> None:
    sources = [carrier(payload) for payload in load_payloads() for carrier in CARRIERS]
    page = browser.new_page()
    for start in range(0, len(sources), BATCH_SIZE):
        rendered = [function(source) for source in sources[start : start + BATCH_SIZE] for function in (render, render_comment)]
        show(page, rendered)
        assert page.evaluate("document.querySelectorAll('article').length") == len(rendered), "no fragment may close its article"
        page.evaluate(TRIGGER_EVENTS)
        assert page.evaluate(FIND_DANGERS) == []
        assert page.evaluate("window.ran") == []


def test_unsanitised_payloads_are_detected(browser: Browser) -> None:
    """Without the sanitiser, the checks above fail."""
    page = browser.new_page()
    show(page, ["<img src=x onerror=alert(1)>", "<a href='javascript:alert(2)'>x</a>", "<p style='color:red'>x</p>"])
    page.wait_for_function("window.ran.length > 0")
    assert len(page.evaluate(FIND_DANGERS)) == 3
