"""The password policy, wherever a password is set."""

import pytest
from pydantic import SecretStr

from blog.domain.accounts import accounts, invitations, password_reset, passwords, sessions
from blog.domain.accounts.password_policy import common_passwords, validate_password
from blog.domain.core.context import Context
from blog.errors import InvalidInput
from blog.schemas.accounts import Credentials, NewUser, PasswordChange, Role
from blog.schemas.invitations import NewInvitation
from tests.conftest import PASSWORD, MakeUser

COMMON = SecretStr("Password1")


def test_password_list_is_folded_and_has_no_short_entries() -> None:
    words = common_passwords()
    assert 2000 < len(words) < 5000
    assert all(word == word.casefold() and 8 <= len(word) <= 256 for word in words)
    assert {"password", "iloveyou", "football", "12345678"} <= words


@pytest.mark.parametrize("typed", ["password", "PASSWORD1", " iloveyou ", "12345678"])
async def test_common_password_is_refused_ignoring_case(ctx: Context, typed: str) -> None:
    with pytest.raises(InvalidInput, match="too common") as refused:
        validate_password(ctx, SecretStr(typed), "ada", None)
    assert [(fault.loc, fault.type) for fault in refused.value.errors] == [(("password",), "common_password")]


@pytest.mark.parametrize(
    "typed", ["lovelace-ada", "Lovelace-Ada", "a.lovelace@example.org", "a.lovelace", "field notes", "FieldNotes"]
)
async def test_password_with_account_data_is_refused(ctx: Context, typed: str) -> None:
    with pytest.raises(InvalidInput, match="your name, your e-mail address or the name of this blog"):
        validate_password(ctx, SecretStr(typed), "lovelace-ada", "A.Lovelace@example.org")


@pytest.mark.parametrize("typed", ["a long enough one", "password of a loom", "пароль на память", "x" * 256])
async def test_other_passwords_are_accepted(ctx: Context, typed: str) -> None:
    validate_password(ctx, SecretStr(typed), "ada", "ada@example.org")


async def test_every_password_form_applies_the_policy(author: Context, ctx: Context, make_user: MakeUser) -> None:
    new = NewUser(username="bob", email="bob@example.org", password=COMMON)
    owner = ctx.acting_as(accounts.as_actor(await make_user("ora", Role.OWNER)))
    number = (await invitations.create(owner, NewInvitation(role=Role.AUTHOR))).id
    invitation = next(item for item in (await invitations.list_page(owner)).items if item.id == number)
    for attempt in (
        accounts.register(ctx, new),
        accounts.create(ctx, new, Role.OWNER),
        accounts.create_owner(ctx, accounts.setup_link(ctx), new),
        invitations.accept(ctx, invitations.link_secret(owner, invitation), new),
        passwords.change_password(author, PasswordChange(current=SecretStr(PASSWORD), password=COMMON)),
        passwords.set_password(ctx, author.require_actor().id, COMMON),
        password_reset.use_link(ctx, await password_reset.create_link(ctx, "ada"), COMMON),
    ):
        with pytest.raises(InvalidInput):
            await attempt
    assert (await sessions.authenticate(ctx, Credentials(username="ada", password=SecretStr(PASSWORD)))).username == "ada"
