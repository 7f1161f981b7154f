"""Check every response to a test of the API against the OpenAPI document."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from blog.api.openapi import document
from blog.app import Application
from tests.conftest import running
from tests.support.agreement import Agreement


@pytest.fixture(scope="session")
def agreement() -> Agreement:
    return Agreement(document("Blog", "/api/v1", "session"))


@pytest.fixture
async def client(app: Application, agreement: Agreement) -> AsyncIterator[httpx2.AsyncClient]:
    async def check(response: httpx2.Response) -> None:
        content = await response.aread()
        kind = response.headers.get("content-type", "")
        json = response.json() if content and "json" in kind else None
        request = response.request
        agreement.check(request.method, request.url.path, response.status_code, response.headers, content, json)

    async with running(app) as running_client:
        running_client.event_hooks["response"].append(check)
        yield running_client
