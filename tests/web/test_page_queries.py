"""The SQL of a page: few statements, in few calls into SQLite's threads, and none that is built during the request."""

import contextvars
from typing import Any

import pytest

from blog.app import Application
from blog.db.compiled_queries import BoundQuery, Query, StatementCache
from blog.db.sqlite.driver import Connection
from blog.domain.comments import comments
from blog.domain.core.context import Context
from blog.schemas.accounts import Role
from blog.schemas.comments import NewComment
from tests.web.conftest import SignIn, Write
from tests.web.test_pages import opened

# The application's own tasks, which follow the event log, do not see it.
is_counted = contextvars.ContextVar("is_counted", default=False)


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("path", "role", "most_statements", "most_calls"),
    [
        ("/", None, 6, 1),  # BEGIN and COMMIT count
        ("/", Role.AUTHOR, 8, 3),
        ("/search?q=post", None, 5, 2),
        ("/search?q=post", Role.AUTHOR, 7, 4),
        ("/dashboard", Role.AUTHOR, 15, 3),
        ("/posts/post-7", None, 8, 1),
        ("/posts/post-7", Role.READER, 10, 3),
        ("/posts/post-7", Role.AUTHOR, 10, 3),
        ("/posts/post-7", Role.EDITOR, 10, 3),
    ],
)
async def test_page_needs_few_statements_and_calls(
    app: Application,
    author: Context,
    write: Write,
    sign_in: SignIn,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    role: Role | None,
    most_statements: int,
    most_calls: int,
) -> None:
    for number in range(25):
        post = await write(f"Post {number}", tags=["maths", f"tag {number}"])
        await comments.create(author, post.id, NewComment(content="A comment"))
    headers = await sign_in("edo", role) if role else {}
    calls: list[list[str]] = []
    built: list[Query] = []
    run, compile_query = Connection.run, StatementCache.compile

    async def noted_run(self: Connection, *texts: Any, **options: Any) -> Any:
        if is_counted.get():
            calls.append([sql for sql, _ in texts])
        return await run(self, *texts, **options)

    def noted_compile(self: StatementCache, query: Query) -> Any:
        if is_counted.get() and not isinstance(query, BoundQuery):
            built.append(query)
        return compile_query(self, query)

    monkeypatch.setattr(Connection, "run", noted_run)
    monkeypatch.setattr(StatementCache, "compile", noted_compile)
    async with opened(app) as (client, _):
        token = is_counted.set(True)
        assert (await client.get(path, headers=headers)).status_code == 200
        is_counted.reset(token)
    assert len(calls) <= most_calls, calls
    assert sum(map(len, calls)) <= most_statements, calls
    assert [str(query) for query in built] == []
