"""The sample blog of `blog dev` and `blog serve --demo`."""

import datetime as dt
import secrets
from dataclasses import replace

from pydantic import SecretStr

from blog.domain.accounts import accounts
from blog.domain.comments import comments
from blog.domain.core.context import Context
from blog.domain.posts import posts, writing_guide
from blog.domain.site import site_preferences, static_pages
from blog.schemas.accounts import NewUser, Role
from blog.schemas.comments import NewComment
from blog.schemas.posts import NewPost
from blog.schemas.site_preferences import PreferencesChanges
from blog.schemas.static_pages import PageStatus, StaticPageInput

OWNER = "demo"

WELCOME = """\
This is a post. It was written in **Markdown** and rendered to HTML once, when it was saved.

## Try it

1. Open this page in two windows.
2. Sign in to one of them and edit the post.
3. Look at the other window: it changes without a reload.

Every version is saved[^1], and old addresses of a post redirect to the new one.

[^1]: See "History" above the post.
"""

CODE = """\
Code is highlighted on the server, with CSS classes and without inline styles:

```python
class PostDetail(HTTPEndpoint):
    async def get(self, request: Request) -> Response:
        ctx = request_context(request)
        post = await posts.get(ctx, request.path_params["id"])
        return json_response(PostOut.model_validate(post))
```

| step | FastAPI | here |
|---|---|---|
| who | `Depends` | a function call |
| parse | a parameter | `read_json` |
| response | `response_model` | the model itself |
"""

ABOUT = "This is a page. It has its own address, and is not in the list of posts."
IMPRINT = "Only owners can see this draft of a page."


async def seed(ctx: Context) -> tuple[str, str]:
    """Create an owner, site settings, some posts, a comment and pages. Return the owner's username and password."""
    password = secrets.token_urlsafe(9)
    owner = await accounts.create(
        ctx, NewUser(username=OWNER, email="demo@example.org", password=SecretStr(password)), Role.OWNER
    )
    as_owner = ctx.acting_as(accounts.as_actor(owner))
    identity = PreferencesChanges(description="A sample blog to try things on.", language="en", time_zone="Europe/London")
    await site_preferences.change(as_owner, identity)
    for days, new in (
        (9, NewPost(title="Code and tables", content=CODE, tags=["starlette", "how it works"])),
        (2, NewPost(title="Welcome", content=WELCOME, tags=["how it works"])),
        (0, writing_guide.draft()),
    ):
        then = replace(as_owner, now=ctx.now - dt.timedelta(days=days))
        post = await posts.create(then, new)
        if new.title == "Welcome":
            await comments.create(then, post.id, NewComment(content="Comments can use *some* Markdown, too."))
    for title, content, status in (("About", ABOUT, PageStatus.PUBLISHED), ("Imprint", IMPRINT, PageStatus.DRAFT)):
        await static_pages.create(as_owner, StaticPageInput(title=title, content=content, status=status), reserved=())
    return OWNER, password
