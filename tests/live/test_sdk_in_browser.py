"""The SDK `centrifuge` for JavaScript in Chromium, against servers that are stopped and killed.

`BLOG_TEST_CENTRIFUGE_JS` names its file, `dist/centrifuge.js` of the npm package; `.ci/run` fetches it.
"""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page

from tests.support.processes import BlogProcess
from tests.support.serving import blog, free_port, serving, wait_until_up

ROUNDS = int(os.environ.get("BLOG_TEST_SDK_ROUNDS", "1"))

FOLLOW = """([channels, options]) => {
    const [channel, ...others] = channels;
    window.received = [];
    window.elsewhere = Object.fromEntries(others.map((other) => [other, []]));
    window.reports = [];
    const client = new Centrifuge(`ws://${location.host}/connection/websocket`, {
        minReconnectDelay: 50, maxReconnectDelay: 300, ...options,
    });
    const subscription = client.newSubscription(channel);
    client.on("connecting", (ctx) => reports.push(`connecting ${ctx.code}`));
    client.on("connected", (ctx) => reports.push(`connected ${ctx.data.user}`));
    client.on("disconnected", (ctx) => reports.push(`disconnected ${ctx.reason}`));
    subscription.on("subscribed", (ctx) => reports.push(`subscribed ${ctx.wasRecovering} ${ctx.recovered}`));
    subscription.on("unsubscribed", (ctx) => reports.push(`unsubscribed ${ctx.code}`));
    subscription.on("publication", (ctx) => received.push([ctx.offset, ctx.data.data.post.title]));
    subscription.subscribe();
    for (const other of others) {
        const another = client.newSubscription(other);
        another.on("publication", (ctx) => elsewhere[other].push([ctx.offset, ctx.data.data.post.title]));
        another.subscribe();
    }
    client.connect();
}"""
PER_ROUND = 10
OTHERS = ("author:ada", "tag:maths", "tag:looms")


@pytest.fixture(scope="module")
def sdk() -> str:
    path = os.environ.get("BLOG_TEST_CENTRIFUGE_JS")
    if path is None:
        pytest.skip("no SDK: name dist/centrifuge.js of the npm package centrifuge by BLOG_TEST_CENTRIFUGE_JS")
    return path


@pytest.fixture
def page(browser: Browser) -> Page:
    opened = browser.new_context(bypass_csp=True).new_page()  # the SDK is no file of the blog, whose pages would not load it
    opened.set_default_timeout(60_000)  # servers start in between
    return opened


class Blog:
    """Two servers on one database: clients follow the first, which is restarted; writers use the second."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.followed, self.written = folder, free_port(), free_port()
        blog(folder, "user", "create", "ada", "ada@example.org", "--role", "owner")
        self.token = blog(folder, "token", "create", "ada").stdout.strip()

    @contextlib.contextmanager
    def up(self, port: int) -> Iterator[BlogProcess]:
        with serving(self.folder, port, RATE_LIMIT="off") as (process, _):
            wait_until_up(port, process)
            yield process

    def request(self, method: str, path: str, **body: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"}
        url = f"http://127.0.0.1:{self.written}/api/v1{path}"
        answer = httpx.request(method, url, json=body or None, headers=headers)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def publish(self, titles: list[str]) -> None:
        for title in titles:
            self.request("POST", "/posts", title=title, content="Some text.", tags=["maths", "looms"])


@pytest.fixture(scope="module")
def two(sdk: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Blog]:
    made = Blog(tmp_path_factory.mktemp("blog"))
    with made.up(made.written):
        yield made


def follow(page: Page, sdk: str, port: int, *channels: str, **options: str) -> None:
    page.goto(f"http://127.0.0.1:{port}/archive")
    page.add_script_tag(path=sdk)
    page.evaluate(FOLLOW, [channels, options])


def wait_for_report(page: Page, line: str) -> None:
    """Wait until the SDK has reported this line."""
    page.wait_for_function("line => reports.includes(line)", arg=line)


def recovered(page: Page, times: int) -> None:
    """Wait until the SDK has recovered this number of times without a gap."""
    page.wait_for_function("count => reports.filter((line) => line === 'subscribed true true').length === count", arg=times)


def test_sdk_recovers_across_restart_and_kill(sdk: str, two: Blog, page: Page) -> None:
    ends = [signal.SIGTERM, signal.SIGKILL] * ROUNDS
    posts = [f"Post {number}" for number in range(len(ends) * 2 * PER_ROUND + 1)]
    rest = iter(posts)
    for number, end in enumerate(ends):
        with two.up(two.followed) as process:
            if number == 0:
                follow(page, sdk, two.followed, "posts", *OTHERS)
                wait_for_report(page, "subscribed false false")
            recovered(page, number)  # who is killed before the SDK is back tells nothing
            two.publish([next(rest) for _ in range(PER_ROUND)])
            page.wait_for_function("count => received.length > count", arg=number * 2 * PER_ROUND)
            process.send_signal(end)
            process.wait(20)
        two.publish([next(rest) for _ in range(PER_ROUND)])
    with two.up(two.followed):
        recovered(page, len(ends))
        two.publish(list(rest))
        page.wait_for_function(
            "count => [received, ...Object.values(elsewhere)].every((one) => one.length >= count)", arg=len(posts)
        )
        received, elsewhere = page.evaluate("[received, elsewhere]")
    assert [title for _, title in received] == posts
    offsets = [offset for offset, _ in received]
    assert offsets == sorted(set(offsets))
    assert elsewhere == dict.fromkeys(OTHERS, received), "each channel has its own position"
    lines = page.evaluate("reports")
    assert "connecting 3001" in lines, "the server said goodbye before it stopped"
    assert "subscribed true false" not in lines


def test_private_channel_closes_with_the_token(sdk: str, two: Blog, page: Page) -> None:
    token = blog(two.folder, "token", "create", "ada", "--name", "other").stdout.strip()
    follow(page, sdk, two.written, "moderation")
    wait_for_report(page, "unsubscribed 101")
    follow(page, sdk, two.written, "moderation", token=token)
    wait_for_report(page, "connected ada")
    wait_for_report(page, "subscribed false false")
    (other,) = [token for token in two.request("GET", "/tokens")["items"] if token["name"] == "other"]
    two.request("DELETE", f"/tokens/{other['id']}")
    wait_for_report(page, "connecting 3005")
    wait_for_report(page, "disconnected unauthorized")
    assert "connected null" not in page.evaluate("reports"), "it did not come back as a stranger"
