"""Site preferences: permissions, validation, and invalid rows."""

import pytest
from pydantic import ValidationError

from blog.db import tables
from blog.domain.accounts import accounts
from blog.domain.core.context import Context
from blog.domain.site import site_preferences
from blog.errors import Forbidden
from blog.schemas.accounts import Role
from blog.schemas.site_preferences import Preferences, PreferencesChanges
from tests.conftest import MakeUser


async def test_owner_changes_only_the_given_fields(ctx: Context, make_user: MakeUser) -> None:
    owner = ctx.acting_as(accounts.as_actor(await make_user("ora", Role.OWNER)))
    await site_preferences.change(owner, PreferencesChanges(title="Notes", max_links=1))
    after = await site_preferences.change(owner, PreferencesChanges(accent="#17614b"))
    assert (after.title, after.max_links, after.accent, after.description) == ("Notes", 1, "#17614b", "")
    assert ctx.site.runtime_settings.preferences == after


async def test_only_owners_change_preferences(author: Context) -> None:
    with pytest.raises(Forbidden):
        await site_preferences.change(author, PreferencesChanges(title="Mine"))
    assert author.site.runtime_settings.preferences == Preferences()


async def test_invalid_and_unknown_rows_are_ignored(ctx: Context) -> None:
    for name, value in {"title": "Notes", "accent": "crimson", "gravity": 9}.items():
        await ctx.db.execute(tables.site_preferences.insert().values(name=name, value=value, user_id=None, updated_at=ctx.now))
    await ctx.site.runtime_settings.refresh(ctx.db)
    assert ctx.site.runtime_settings.preferences == Preferences(title="Notes")


async def test_unchanged_rows_are_not_validated_again(ctx: Context, make_user: MakeUser) -> None:
    owner = ctx.acting_as(accounts.as_actor(await make_user("ora", Role.OWNER)))
    before = await site_preferences.change(owner, PreferencesChanges(custom_css="p { color: red }"))
    await ctx.site.runtime_settings.refresh(ctx.db)
    assert ctx.site.runtime_settings.preferences is before


@pytest.mark.parametrize("target", ["//evil.example", "javascript:alert(1)", "about", "https://", ""])
def test_navigation_links_must_be_paths_or_web_urls(target: str) -> None:
    with pytest.raises(ValidationError):
        Preferences.model_validate({"navigation": [{"label": "A", "target": target}]})
