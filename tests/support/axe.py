"""axe-core in an open page."""

from importlib.resources import files
from typing import Any

from playwright.sync_api import Page

_SOURCE = (files("axe_playwright_python") / "axe.min.js").read_text()
_COLOUR_RULES = ["color-contrast", "link-in-text-block"]
# Only violations are reported: to describe the elements that pass takes a third of the time on a large page.
_RUN = """async rules => {
  const found = await axe.run(document, {resultTypes: ['violations'], ...(rules ? {runOnly: rules} : {})});
  return found.violations.map(rule => [rule.id, rule.nodes.map(node => node.html + ' — ' + node.failureSummary)]);
}"""


def violations(page: Page) -> list[Any]:
    """Return what axe finds by all its rules: the id of each rule, with the elements that violate it."""
    page.evaluate(_SOURCE)
    return list(page.evaluate(_RUN, None))


def violations_in_both_schemes(page: Page) -> dict[str, list[Any]]:
    """Return the violations in the light and in the dark scheme, those that there are.

    The page is loaded once, and the dark scheme is checked by the rules about colours alone: it changes nothing but colours.
    """
    page.emulate_media(color_scheme="light")
    light = violations(page)
    page.emulate_media(color_scheme="dark")
    dark = list(page.evaluate(_RUN, _COLOUR_RULES))
    return {scheme: found for scheme, found in (("light", light), ("dark", dark)) if found}
