"""Signed texts: one purpose each, and a change of the secret."""

import itertools
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from blog.domain.accounts import password_reset, sessions, tokens
from blog.domain.core.context import Context
from blog.domain.core.signing import Purpose, Signer
from blog.domain.core.site import open_site
from blog.errors import NotFound
from blog.settings import Settings

OLD, NEW, OTHER = (SecretStr(f"{letter}123456789abcdefghijklmnopqrstuvwxyz") for letter in "ONX")
# Any payload that some purpose takes: what is refused must be refused for its purpose, not for its form.
PAYLOADS: Any = ([1, "x"], [1, "x", 99_999_999_999], ["x", ["y"]], [])


@pytest.mark.parametrize(("made", "read"), list(itertools.product(Purpose, Purpose)))
def test_signed_text_is_valid_for_its_purpose_only(made: Purpose, read: Purpose) -> None:
    signer = Signer(OLD)
    for payload in PAYLOADS:
        found = signer.unsign(read, signer.sign(made, payload))
        assert found == (payload if made is read else None)


def test_every_purpose_has_a_separate_salt() -> None:
    assert len({purpose.value for purpose in Purpose}) == len(Purpose)


@pytest.mark.parametrize("purpose", Purpose)
def test_newest_secret_signs_and_older_secrets_verify(purpose: Purpose) -> None:
    before, between, after = Signer(OLD), Signer(NEW, [OLD]), Signer(NEW)
    assert between.unsign(purpose, before.sign(purpose, [1])) == [1]
    assert after.unsign(purpose, between.sign(purpose, [1])) == [1], "the new secret signs"
    assert before.unsign(purpose, between.sign(purpose, [1])) is None
    assert after.unsign(purpose, before.sign(purpose, [1])) is None, "what a removed secret signed has ended"
    assert Signer(OTHER, [NEW, OLD]).unsign(purpose, before.sign(purpose, [1])) == [1], "several may be kept"


async def test_rotated_secret_keeps_tokens_and_links_until_its_removal(author: Context, ctx: Context, settings: Settings) -> None:
    token = (await tokens.issue(ctx, author.require_actor(), name="x")).value
    link, session = await password_reset.create_link(ctx, "ada"), await sessions.start(ctx, author.require_actor(), "browser")
    rotated = {"secret_key": NEW, "secret_key_previous": (settings.secret_key,)}
    async with open_site(settings.model_copy(update=rotated)) as site:
        later = replace(ctx, site=site)
        actor = await tokens.authenticate(later, token)
        assert actor is not None
        assert actor.username == "ada"
        assert (await password_reset.link_user(later, link)).username == "ada"
    async with open_site(settings.model_copy(update={"secret_key": NEW})) as site:
        later = replace(ctx, site=site)
        assert await tokens.authenticate(later, token) is None
        with pytest.raises(NotFound):
            await password_reset.link_user(later, link)
        assert await sessions.load(later, session) is not None, "a session is a random id: no secret made it"
