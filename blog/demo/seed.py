"""A small example blog, for `blog serve --demo`."""

import datetime as dt
import secrets
from dataclasses import replace

from pydantic import SecretStr

from blog.domain.accounts import accounts
from blog.domain.comments import comments
from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.schemas.accounts import NewUser, Role
from blog.schemas.comments import NewComment
from blog.schemas.posts import NewPost, PostStatus

OWNER = "demo"

WELCOME = """\
This is a post. It was written in **Markdown**, rendered once when it was saved, and is now read from the database as it is.

## Try it

1. Open this page in two windows.
2. Sign in, in one of them, and edit the post.
3. Look at the other: it changed without a reload.

Every version is kept[^1], and an address that once led here always will.

[^1]: Also the ones that you would rather forget.
"""

CODE = """\
Code is highlighted on the server, with classes and no inline style:

```python
class PostDetail(HTTPEndpoint):
    async def get(self, request: Request) -> Response:
        ctx = context(request)
        post = await posts.get(ctx, request.path_params["id"])
        return as_json(PostOut.model_validate(post))
```

| beat | FastAPI | here |
|---|---|---|
| who | `Depends` | a function call |
| parse | a parameter | `read_json` |
| answer | `response_model` | the model itself |
"""

DRAFT = "Nobody but its authors and the editors can see this one."


async def seed(ctx: Context) -> tuple[str, str]:
    """Make an owner, some posts and a comment; the owner's name and password."""
    password = secrets.token_urlsafe(9)
    owner = await accounts.create(
        ctx, NewUser(username=OWNER, email="demo@example.org", password=SecretStr(password)), Role.OWNER
    )
    for days, new in (
        (9, NewPost(title="Code and tables", content=CODE, tags=["starlette", "how it works"])),
        (2, NewPost(title="Welcome", content=WELCOME, tags=["how it works"])),
        (0, NewPost(title="Not yet", content=DRAFT, status=PostStatus.DRAFT)),
    ):
        then = replace(ctx.acting_as(accounts.as_actor(owner)), now=ctx.now - dt.timedelta(days=days))
        post = await posts.create(then, new)
        if new.title == "Welcome":
            await comments.create(then, post.id, NewComment(content="Comments take *some* Markdown, too."))
    return OWNER, password
