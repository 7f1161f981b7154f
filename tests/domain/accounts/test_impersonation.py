"""Names that look like those of the staff are refused."""

import pytest
from pydantic import SecretStr

from blog.domain.accounts import accounts, invitations
from blog.domain.accounts.models import User
from blog.domain.core.context import Context
from blog.errors import Conflict, InvalidInput
from blog.schemas.accounts import AccountChanges, NewUser, Role
from blog.schemas.invitations import NewInvitation
from tests.conftest import PASSWORD, MakeUser

pytestmark = pytest.mark.sqlite  # the rules compare names in Python

LIKE_STAFF = [
    "ada", "ADA", "\u0430d\u0430", "ada\u200b", "\u00e0da", "Ada!", "ada \u2713", "ada (moderator)", "The real Ada", "Lady Ada",
    "adaofficial", "ada_official", "AdaOfficial", "\u0430daoffici\u0430l", "adaofficia1", "ada1", "Ada 7", "007ada",
    "ada2025official", "officialada", "RealAda", "TheAda", "TheRealAda", "ada-team", "ada-support", "adaadmin", "Mod Ada",
    "LadyAdaStaff", "realadateam", "supportada",
    "ladyada2", "rea1 ada", "Ada Blog",
]  # fmt: skip
RESERVED = [
    "Moderator", "moderators", "\u041coder\u0430tor", "ADMIN", "admin1", "Site admin", "the owner", "Field Notes", "field notes",
    "ModeratorTeam", "TheModerator", "themoderator", "moderatorteam", "m0derat0rs", "m0deratorteam", "rnoderator", "official",
    "Team", "blogadmin", "siteadmin2", "admin_of_the_blog", "adminofficial", "supportteam", "realowner",
    "FieldNotesTeam", "fieldnotes1",
]  # fmt: skip
FREE = [
    "Adam", "adalbert", "Adamo", "Canada", "Nadal", "Armada", "theada", "moderato", "Modern", "Modric", "Theodor", "Stafford",
    "Teamster", "Supporter", "Realtor", "editorial", "ownership", "authority", "blogger", "systematic", "Sitel", "adalove",
    "modada", "adateam", "realada",  # shorter than eight letters, as many ordinary names that begin with `mod` or `real`
    "a2da", "2024", "pau1", "---", "Bob", "Owner of cats", "Real Madrid", "Lady Grace", "lady7", "山田",
]  # fmt: skip


@pytest.fixture
async def staff(make_user: MakeUser, ctx: Context) -> User:
    """The owner ada, with the name Lady Ada."""
    owner = await make_user("ada", Role.OWNER)
    return await accounts.change(ctx.acting_as(accounts.as_actor(owner)), AccountChanges(name="Lady Ada"))


async def rename(ctx: Context, user: User, name: str) -> User:
    return await accounts.change(ctx.acting_as(accounts.as_actor(user)), AccountChanges(name=name))


@pytest.mark.parametrize("name", LIKE_STAFF + RESERVED, ids=ascii)
async def test_reader_cannot_take_a_name_like_that_of_the_staff(
    ctx: Context, staff: User, make_user: MakeUser, name: str
) -> None:
    bob = await make_user("bob", Role.READER)
    with pytest.raises(Conflict) as caught:
        await rename(ctx, bob, name)
    assert [error.loc for error in caught.value.errors] == [("name",)]
    assert (await accounts.get(ctx, bob.id)).name == "bob"


@pytest.mark.parametrize("name", FREE, ids=ascii)
async def test_other_names_are_free(ctx: Context, staff: User, make_user: MakeUser, name: str) -> None:
    await make_user("eve", Role.READER)
    assert (await rename(ctx, await make_user("bob", Role.READER), name)).name == name


@pytest.mark.parametrize(
    ("staff_name", "name"),
    [
        ("An", "Staffan"), ("Este", "Modeste"), ("Esto", "Modesto"), ("Ern", "Modern"), ("Al", "Modal"), ("Sam", "Samsite"),
        ("Ina", "Modina"), ("Li", "Realli"), ("A", "Systema"), ("An", "Supportan"),
    ],
)  # fmt: skip
async def test_ordinary_names_that_contain_a_short_staff_name_are_free(
    ctx: Context, make_user: MakeUser, staff_name: str, name: str
) -> None:
    await rename(ctx, await make_user("ada", Role.OWNER), staff_name)
    assert (await rename(ctx, await make_user("bob", Role.READER), name)).name == name


@pytest.mark.parametrize(
    ("staff_name", "name"),
    [
        ("An", "An official"), ("An", "StaffAn"), ("Este", "Mod-Este"), ("Este", "realeste"), ("Al", "the_real_al"),
        ("John", "johnteam"), ("山田", "山田official"), ("山田", "admin山田"), ("An", "An1"),
    ],
    ids=ascii,
)  # fmt: skip
async def test_short_staff_names_with_affixes_are_refused(ctx: Context, make_user: MakeUser, staff_name: str, name: str) -> None:
    await rename(ctx, await make_user("ada", Role.OWNER), staff_name)
    bob = await make_user("bob", Role.READER)
    with pytest.raises(Conflict):
        await rename(ctx, bob, name)


async def test_readers_may_have_equal_names(ctx: Context, make_user: MakeUser) -> None:
    for username in ("bob", "eve"):
        assert (await rename(ctx, await make_user(username, Role.READER), "Kim")).name == "Kim"


async def test_own_name_and_an_unchanged_name_stay(ctx: Context, staff: User, make_user: MakeUser) -> None:
    for role in (Role.READER, Role.AUTHOR):
        user = await make_user(f"bob-{role.value}", role)
        assert (await rename(ctx, user, f"Bob {role.value[:1]}")).name == f"Bob {role.value[:1]}"
        assert (await rename(ctx, user, user.username)).name == user.username
    twin = await make_user("adaa", Role.READER)
    await accounts.set_role(ctx, "adaa", Role.AUTHOR)
    assert (await rename(ctx, twin, "adaa")).name == "adaa"


@pytest.mark.parametrize(
    ("role", "allowed"),
    [(Role.AUTHOR, set[str]()), (Role.EDITOR, {"Moderator"}), (Role.OWNER, {"Moderator", "Ada"})],
)
async def test_rules_depend_on_the_role(ctx: Context, staff: User, make_user: MakeUser, role: Role, allowed: set[str]) -> None:
    for number, name in enumerate(("Moderator", "Ada")):
        user = await make_user(f"user{number}", role)
        if name in allowed:
            assert (await rename(ctx, user, name)).name == name
        else:
            with pytest.raises(Conflict):
                await rename(ctx, user, name)


@pytest.mark.parametrize("username", ["moderator", "Admin", "ADA-official", "Iady-ada", "the_owner"])
async def test_usernames_of_new_accounts_are_checked(ctx: Context, staff: User, username: str) -> None:
    new = NewUser(username=username, email="x@example.org", password=SecretStr(PASSWORD))
    owner = ctx.acting_as(accounts.as_actor(staff))
    await invitations.create(owner, NewInvitation(role=Role.AUTHOR))
    secret = invitations.link_secret(owner, (await invitations.list_page(owner)).items[0])
    for attempt in (accounts.register(ctx, new), invitations.accept(ctx, secret, new)):
        with pytest.raises(Conflict) as caught:
            await attempt
        assert caught.value.errors[0].loc == ("username",)


async def test_all_errors_of_a_new_account_are_raised_at_once(ctx: Context, make_user: MakeUser) -> None:
    await make_user("ada")
    new = NewUser(username="ADA", email="ada@example.org", password=SecretStr("password1"))
    with pytest.raises(InvalidInput) as caught:
        await accounts.register(ctx, new)
    assert {error.loc[0] for error in caught.value.errors} == {"username", "email", "password"}
    new.password = SecretStr(PASSWORD)
    with pytest.raises(Conflict) as conflict:
        await accounts.register(ctx, new)
    assert {error.loc[0] for error in conflict.value.errors} == {"username", "email"}
