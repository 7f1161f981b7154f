"""Which passwords are taken, at every place where one is chosen."""

import pytest
from pydantic import SecretStr

from blog.domain.accounts import accounts, invitations, sessions
from blog.domain.accounts.password_policy import common_passwords, require_acceptable
from blog.errors import InvalidInput
from blog.schemas.accounts import Credentials, NewInvitation, NewUser, PasswordChange, Role
from tests.conftest import PASSWORD

COMMON = SecretStr("Password1")


def test_list_is_folded_and_holds_nothing_that_the_length_refuses_anyway():
    words = common_passwords()
    assert 2000 < len(words) < 5000
    assert all(word == word.casefold() and 8 <= len(word) <= 256 for word in words)
    assert {"password", "iloveyou", "football", "12345678"} <= words


@pytest.mark.parametrize("typed", ["password", "PASSWORD1", " iloveyou ", "12345678"])
async def test_common_password_is_refused_whatever_its_case(ctx, typed):
    with pytest.raises(InvalidInput, match="guessed first") as refused:
        require_acceptable(ctx, SecretStr(typed), "ada", None)
    assert [(fault.loc, fault.type) for fault in refused.value.errors] == [(("password",), "common_password")]


@pytest.mark.parametrize(
    "typed", ["lovelace-ada", "Lovelace-Ada", "a.lovelace@example.org", "a.lovelace", "field notes", "FieldNotes"]
)
async def test_password_that_says_whose_it_is_is_refused(ctx, typed):
    with pytest.raises(InvalidInput, match="your name, your e-mail address or the name of this blog"):
        require_acceptable(ctx, SecretStr(typed), "lovelace-ada", "A.Lovelace@example.org")


@pytest.mark.parametrize("typed", ["a long enough one", "password of a loom", "пароль на память", "x" * 256])
async def test_other_passwords_are_taken(ctx, typed):
    require_acceptable(ctx, SecretStr(typed), "ada", "ada@example.org")


async def test_every_way_to_a_password_keeps_the_rules(author, ctx, make_user):
    new = NewUser(username="bob", email="bob@example.org", password=COMMON)
    owner = ctx.acting_as(accounts.actor_of(await make_user("ora", Role.OWNER)))
    number = await invitations.create(owner, NewInvitation(role=Role.AUTHOR))
    invitation = next(item for item in (await invitations.page(owner)).items if item.id == number)
    for attempt in (
        accounts.register(ctx, new),
        accounts.create(ctx, new, Role.OWNER),
        accounts.create_owner(ctx, accounts.owner_link(ctx), new),
        invitations.accept(ctx, invitations.secret(owner, invitation), new),
        accounts.change_password(author, PasswordChange(current=SecretStr(PASSWORD), password=COMMON)),
        accounts.set_password(ctx, author.actor.id, COMMON),
        accounts.use_password_link(ctx, await accounts.password_link(ctx, "ada"), COMMON),
    ):
        with pytest.raises(InvalidInput):
            await attempt
    assert (await sessions.authenticate(ctx, Credentials(username="ada", password=SecretStr(PASSWORD)))).username == "ada"
