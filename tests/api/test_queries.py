"""The number of statements of a response, with BEGIN and COMMIT, is small and does not depend on the number of posts."""

import contextvars

import httpx2
import pytest
from httpx2.websockets import ASGIWebSocketTransport
from starlette.types import Receive, Scope, Send

from blog.app import Application
from blog.domain.comments import comments
from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.schemas.comments import NewComment
from blog.schemas.posts import NewPost
from tests.conftest import ORIGIN

# The hub reads the same database in the background: only what a request of the test asks is counted.
asked_by_test = contextvars.ContextVar("asked_by_test", default=False)


@pytest.mark.parametrize(
    ("path", "most"),
    [("/posts", 6), ("/posts?tag=all&q=post", 9), ("/posts/1", 6), ("/posts/1/comments", 7), ("/users/1", 7), ("/tags", 1)],
)
async def test_number_of_queries_does_not_grow_with_the_content(app: Application, author: Context, path: str, most: int) -> None:
    seen: list[str] = []
    async with app.router.lifespan_context(app) as state:
        assert state is not None
        state["app_state"].site.db.on_query.append(lambda sql: seen.append(sql) if asked_by_test.get() else None)

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            scope["state"] = dict(state)
            await app(scope, receive, send)

        counts = []
        async with httpx2.AsyncClient(transport=ASGIWebSocketTransport(with_state), base_url=ORIGIN) as client:
            for _ in range(2):
                for number in range(8):
                    post = await posts.create(author, NewPost(title=f"Post {number}", content="x", tags=[f"t{number}", "all"]))
                    await comments.create(author, post.id, NewComment(content="yes"))
                    await comments.create(author, 1, NewComment(content="and yes"))
                seen.clear()
                asked_by_test.set(True)
                assert (await client.get(f"/api/v1{path}")).status_code == 200
                asked_by_test.set(False)
                counts.append(len(seen))
    assert counts[0] == counts[1] <= most, seen
