"""The settings page of the site: title, navigation, language, and rules for comments."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import RedirectResponse, Response

from blog.domain.core import policy
from blog.domain.site import site_preferences
from blog.framework.request.forms import Form, split_lines
from blog.framework.request.state import app_state
from blog.schemas.site_preferences import PreferencesChanges
from blog.web.rendering import site_form
from blog.web.rendering.form_page import FormPage


class SitePage(FormPage[PreferencesChanges]):
    """/admin/site: the site preferences."""

    template, model, keeps_text = "admin/site.html", PreferencesChanges, True

    async def load(self) -> None:
        policy.require_owner(self.ctx)

    def initial_form(self) -> Form:
        preferences = self.ctx.site.runtime_settings.preferences
        return Form(
            {
                **site_form.identity_values(preferences),
                "navigation": "\n".join(f"{link.label} | {link.target}" for link in preferences.navigation),
                "hold_first_comment": "true" if preferences.hold_first_comment else "",
                "guest_comments": "true" if preferences.guest_comments else "",
                "blocked_words": "\n".join(preferences.blocked_words),
                "max_links": str(preferences.max_links),
                "close_comments_days": str(preferences.close_comments_days),
                "comment_edit_minutes": str(preferences.comment_edit_minutes),
            }
        )

    def parse(self) -> PreferencesChanges | None:
        """Parse the identity of the site, lists of lines and the checkboxes."""
        return site_form.parse_identity(
            self.form,
            PreferencesChanges,
            navigation=[_parse_link(line) for line in split_lines(self.form.value("navigation"))],
            blocked_words=split_lines(self.form.value("blocked_words")),
            hold_first_comment=self.form.value("hold_first_comment") == "true",
            guest_comments=self.form.value("guest_comments") == "true",
        )

    async def submit(self, data: PreferencesChanges) -> Response:
        """Store the preferences. Pages follow at once."""
        await site_preferences.change(self.ctx, data)
        return RedirectResponse(f"{app_state(self.request).urls.path('web:admin_site')}?saved=yes", 303)

    async def context(self) -> Mapping[str, Any]:
        return {
            **site_form.identity_choices(),
            "saved": "saved" in self.request.query_params and not self.form.errors,
        }


def _parse_link(line: str) -> dict[str, str]:
    label, _, target = line.partition("|")
    return {"label": label.strip(), "target": target.strip()}
