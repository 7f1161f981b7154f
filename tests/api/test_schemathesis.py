"""Schemathesis runs the API in process by its document: examples, boundaries, generated cases, sequences of calls."""

import asyncio
import collections
import datetime as dt
import os
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from hypothesis import strategies
from pydantic import SecretStr
from schemathesis import engine
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events
from schemathesis.python import asgi

from blog.api.openapi import document
from blog.app import create_app
from blog.db import tables
from blog.domain.accounts import accounts, tokens
from blog.domain.comments import comments
from blog.domain.core.context import Context
from blog.domain.core.site import open_site
from blog.domain.posts import posts
from blog.schemas.accounts import NewUser, Role, Scope
from blog.schemas.comments import NewComment
from blog.schemas.posts import NewPost
from blog.settings import Settings
from tests.conftest import PASSWORD
from tests.support.pictures import png

EXAMPLES = int(os.environ.get("BLOG_TEST_EXAMPLES", "5"))
IMAGE = png(3, 2)
# Generated ids do not come near: the run must not revoke the token that it goes by.
FAR_ID = 123_456_789_012_345_678
CURSOR = "WyIyMDI2LTA1LTAxVDA5OjAwOjAwWiIsMV0"  # what a list gives; text of any other form is refused, as it should be
# JSON Schema cannot say that two filters contradict each other, that a cursor belongs to another order, that a schedule lies in
# the future, that a comment answers one of the same post, that bytes are an image, that another e-mail address takes the
# present password, that a username belongs to another author, or that a tag or an image exists.
WIDER = ["2xx", "3xx", "401", "403", "404", "409", "422"]
WIDER_FOR = (
    "GET /api/v1/posts",
    "GET /api/v1/users",
    "POST /api/v1/posts",
    "PUT /api/v1/posts/{id}",
    "PATCH /api/v1/posts/{id}",
    "POST /api/v1/posts/{id}/comments",
    "POST /api/v1/media",
    "POST /api/v1/pages",
    "PUT /api/v1/pages/{id}",
    "PATCH /api/v1/pages/{id}",
    "PATCH /api/v1/users/me",
    "POST /api/v1/users/{id}/posts/transfer",
    "PATCH /api/v1/tags/{slug}",
    "POST /api/v1/tags/{slug}/merge",
)
# The stream has no end, and a bookmark requests whatever address is generated: test_bookmarks has a site for it.
NOT_RUN = ["GET /api/v1/events/stream", "POST /api/v1/bookmarks"]
uploads: list[schemathesis.Case[Any]] = []
_KEY = re.compile(r"[!-~]{1,255}")
REFUSED = ["400", "401", "403", "404", "405", "406", "409", "412", "413", "415", "422", "428", "429"]

# Names under .test and .invalid are e-mail addresses to JSON Schema, but no mail can be delivered there.
_names = strategies.from_regex(r"[a-z0-9]{1,20}", fullmatch=True)
schemathesis.openapi.format("email", strategies.builds("{}@{}.org".format, _names, _names))


@dataclass
class Outcome:
    """The result of a run: cases by phase, responses by status, and failures."""

    cases: collections.Counter[str]
    statuses: collections.Counter[int]
    faults: list[str]


@pytest.fixture
def token(settings: Settings) -> str:
    """Return an owner's token with every scope, in a blog with three posts and a comment on each."""

    async def fill() -> str:
        async with open_site(settings) as site:
            ctx = Context(site, None, dt.datetime.now(dt.UTC), "test")
            new = NewUser(username="ada", email="ada@example.org", password=SecretStr(PASSWORD))
            ada = accounts.as_actor(await accounts.create(ctx, new, Role.OWNER))
            for number in range(3):
                post = await posts.create(ctx.acting_as(ada), NewPost(title=f"Post {number}", content="text", tags=["tag"]))
                await comments.create(ctx.acting_as(ada), post.id, NewComment(content="Yes."))
            await tokens.issue(ctx, ada, name="first")
            await site.db.execute(tables.api_tokens.update().values(id=FAR_ID))
            if site.db.kind == "postgresql":  # SQLite goes on from the largest id that is there
                await site.db.execute(f"SELECT setval('api_tokens_id_seq', {FAR_ID})")
            return (await tokens.issue(ctx, ada, name="test", scopes=list(Scope))).value

    return asyncio.run(fill())


def needing_credentials() -> list[str]:
    """Return the operations that answer 401 without credentials, whatever a request contains: `test_access` tries each."""
    paths = document("Blog", "/api/v1", "session")["paths"].items()
    operations = ((f"{method.upper()} {path}", operation) for path, item in paths for method, operation in item.items())
    return [name for name, operation in operations if {} not in operation["security"]]


@pytest.fixture(autouse=True)
def shut_down_lifespans() -> Iterator[None]:
    yield
    asgi.shutdown_lifespans()


def _checks(name: str) -> dict[str, Any]:
    """Return the checks of an operation that allows more statuses. In a form the wrong type 305 is the right text "305"."""
    is_form = name == "POST /api/v1/media"
    return {"positive_data_acceptance": {"expected-statuses": WIDER}} | (
        {"negative_data_rejection": {"enabled": False}} if is_form else {}
    )


def run(app: Any, headers: dict[str, str], left_out: Sequence[str]) -> Outcome:
    """Run every phase and every check for all operations but `left_out`, always with the same cases."""
    wider_for = [name for name in WIDER_FOR if name not in left_out]
    config = SchemathesisConfig.from_dict(
        {
            "seed": 20261122,
            "headers": headers,
            "generation": {
                "max-examples": EXAMPLES,
                "deterministic": True,
                "database": "none",
                "with-security-parameters": False,
            },
            "phases": {"stateful": {"max-steps": 6}},
            "parameters": {"query.cursor": CURSOR, "header.If-Match": "*"},
            "checks": {"negative_data_rejection": {"expected-statuses": REFUSED}},
            "operations": [
                *({"include-name": name, "enabled": False} for name in left_out),
                *({"include-name": name, "checks": _checks(name)} for name in wider_for),
            ],
        }
    )
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", app, config=config)
    outcome = Outcome(collections.Counter(), collections.Counter(), [])
    for event in engine.from_schema(schema).execute():
        match event:
            case events.ScenarioFinished():
                record(event, outcome)
            case events.NonFatalError():
                outcome.faults.append(f"{event.label}: {event.value}")
            case events.FatalError():
                raise event.exception
    return outcome


@schemathesis.hook("before_call")
def with_fresh_key(_context: Any, case: schemathesis.Case[Any], _kwargs: Any) -> None:
    """Set a new idempotency key: another request with a used key is refused, as it should be."""
    headers: Any = case.headers or {}
    if _KEY.fullmatch(headers.get("Idempotency-Key", "")):
        headers["Idempotency-Key"] = str(uuid.uuid4())


@schemathesis.hook("before_call")
def with_an_image(_context: Any, case: schemathesis.Case[Any], _kwargs: Any) -> None:
    """Make every other upload an image, which a generator would not find."""
    if case.operation.label != "POST /api/v1/media" or case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if case.meta.phase.name.value not in ("examples", "coverage"):  # the others' faults need not survive a form
        return
    uploads.append(case)
    if len(uploads) % 2:
        body: Any = case.body
        body["file"] = IMAGE


def record(event: events.ScenarioFinished, outcome: Outcome) -> None:
    for interaction in event.recorder.interactions.values():
        if interaction.response is not None:
            outcome.cases[event.phase.value] += 1
            outcome.statuses[interaction.response.status_code] += 1
    for checks in event.recorder.checks.values():
        for check in checks:
            if check.failure_info is not None:
                failure = check.failure_info
                outcome.faults.append(f"{event.phase.value}, {check.name}: {failure.failure.message}\n{failure.code_sample}")


@pytest.mark.timeout(600)
def test_api_matches_its_document(settings: Settings, token: str, record_property: Callable[[str, object], None]) -> None:
    try_everything(settings, token, "signed in", record_property)


@pytest.mark.sqlite  # most is refused before a database is asked
@pytest.mark.timeout(600)
def test_api_matches_its_document_without_credentials(
    settings: Settings, token: str, record_property: Callable[[str, object], None]
) -> None:
    try_everything(settings, token, "anonymous", record_property)


def try_everything(settings: Settings, token: str, who: str, record_property: Any) -> None:
    app: Any = create_app(settings)
    headers = {"Authorization": f"Bearer {token}"}
    left_out = NOT_RUN if who == "signed in" else [*NOT_RUN, *needing_credentials()]
    outcome = run(app, headers if who == "signed in" else {}, left_out)
    record_property("cases", dict(outcome.cases))
    print(who, dict(outcome.cases), dict(outcome.statuses))
    assert not outcome.faults, "\n\n".join(outcome.faults)
    assert set(outcome.cases) == {"examples", "coverage", "fuzzing", "stateful"}
    assert not [status for status in outcome.statuses if status >= 500]
    if who == "signed in":
        assert outcome.statuses[201] > 20, "it came through to the domain"
        with asgi.get_client(app) as client:
            assert client.get("/api/v1/users/me", headers=headers).status_code == 200, "it was signed in until the end"
