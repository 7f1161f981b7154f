"""The setup of a new blog: the account of its owner, the preferences of the site, and a draft to begin with."""

from blog.domain.accounts import accounts
from blog.domain.accounts.models import User
from blog.domain.core.context import Context
from blog.domain.posts import posts, writing_guide
from blog.domain.site import site_preferences
from blog.schemas.accounts import NewUser, Setup
from blog.schemas.site_preferences import PreferencesChanges, SiteIdentity


async def complete(ctx: Context, secret: str, new: Setup) -> User:
    """Create the owner's account with the setup link, store the preferences that are not the defaults, and write the draft.

    Raises InvalidLink, Conflict (there is an owner, or the username is taken), InvalidInput (password).
    """
    user = await accounts.create_owner(ctx, secret, NewUser(**new.model_dump(include=set(NewUser.model_fields))))
    owner = ctx.acting_as(accounts.as_actor(user))
    # Not in the transaction of the account, which is all that a second visitor with the link must wait for.
    if changes := new.model_dump(include=set(SiteIdentity.model_fields), exclude_defaults=True):
        await site_preferences.change(owner, PreferencesChanges(**changes))
    await posts.create(owner, writing_guide.draft())
    return user
