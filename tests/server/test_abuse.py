"""All abuses of `tests/benchmarks/abuse.py` at once, several times each: their responses and log lines."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.benchmarks.abuse import ABUSES, HURRIED, Foe
from tests.support.serving import free_port, serving, wait_until_up

TIMES = 3


async def answers_of(name: str, foe: Foe) -> list[str]:
    found = []
    for _ in range(TIMES):
        async with asyncio.timeout(60):
            found.append(await ABUSES[name](foe))
    return found


async def abuse(port: int) -> dict[str, list[str]]:
    foe = Foe(port)
    return dict(zip(ABUSES, await asyncio.gather(*(answers_of(name, foe) for name in ABUSES)), strict=True))


@pytest.fixture(scope="module")
def abused(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, list[str]], list[dict[str, Any]]]:
    """Return the responses of each abuse, and the lines of the log."""
    folder, port = tmp_path_factory.mktemp("abused"), free_port()
    with serving(folder, port, **HURRIED) as (server, log):
        wait_until_up(port, server)
        answers = asyncio.run(abuse(port))
        assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 200
    return answers, [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


@pytest.mark.parametrize("name", ABUSES)
def test_abuse_is_refused_or_disconnected(abused: tuple[dict[str, list[str]], list[dict[str, Any]]], name: str) -> None:
    answers, _ = abused
    assert len(answers[name]) == TIMES
    assert not [answer for answer in answers[name] if answer.startswith("5")]


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("large body", "413"), ("deep JSON, whole", "400"), ("wide JSON", "400"), ("large number", "400"), ("many names", "400"),
        ("many fields", "431"), ("long field", "431"), ("long address", "414"), ("many parts", "400"), ("crowd", "429"),
        ("slow body", "408"), ("slow head", "408"), ("two lengths", "400"),
    ],
)  # fmt: skip
def test_refusal_says_what_is_wrong(abused: tuple[dict[str, list[str]], list[dict[str, Any]]], name: str, status: str) -> None:
    assert abused[0][name] == [status] * TIMES


def test_abuse_causes_no_server_error(abused: tuple[dict[str, list[str]], list[dict[str, Any]]]) -> None:
    lines = abused[1]
    assert len(lines) > 100
    assert [line for line in lines if line["level"] not in ("info", "warning") or "exception" in line] == []
