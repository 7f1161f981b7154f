"""Background tasks of a running application: periodic work, and the connection to other processes."""

import datetime as dt
import functools
from collections.abc import Awaitable, Callable

import anyio
import structlog
from anyio.abc import TaskGroup

from blog.domain.accounts import invitation_emails
from blog.domain.comments import guest_comments
from blog.domain.core import audit, event_retention
from blog.domain.core.context import Context, Site
from blog.domain.integrity import outdated_html
from blog.domain.posts import scheduling
from blog.domain.site import statistics
from blog.errors import BlogError
from blog.framework.request.state import AppState
from blog.mail.delivery import send_due
from blog.observability import metrics
from blog.observability.logging import OutageLog
from blog.ops.metrics_endpoint import export_periodically
from blog.realtime import Hub, RedisNotifier

log = structlog.stdlib.get_logger("blog.background")


async def start_background_tasks(tasks: TaskGroup, state: AppState, hub: Hub) -> None:
    """Start all tasks in the task group. Returns when the hub follows the event log."""
    site = state.site
    await tasks.start(hub.run)
    tasks.start_soon(hub.monitor)
    if site.settings.redis_url is not None:
        notifier = RedisNotifier(site.settings, site.db)
        site.db.on_commit.append(notifier.notify)
        tasks.start_soon(notifier.run)
    tasks.start_soon(_run_periodically, site, 1, scheduling.publish_due, "publish_posts")
    tasks.start_soon(_run_periodically, site, 2, functools.partial(send_due, urls=state.urls), "send_emails")
    tasks.start_soon(_run_periodically, site, 3600, outdated_html.render_again, "render_again")
    tasks.start_soon(_run_periodically, site, 3600, event_retention.trim, "trim_events")
    tasks.start_soon(_run_periodically, site, 3600, audit.trim, "trim_audit_log")
    tasks.start_soon(_run_periodically, site, 3600, statistics.trim_referrers, "trim_referrers")
    tasks.start_soon(_run_periodically, site, 3600, invitation_emails.erase_expired_addresses, "erase_invited_addresses")
    tasks.start_soon(_run_periodically, site, 3600, guest_comments.erase_old_addresses, "erase_guest_addresses")
    tasks.start_soon(site.runtime_settings.refresh_periodically, site.db)
    tasks.start_soon(site.view_counter.flush_periodically, site.db)
    if site.settings.metrics_token is not None:
        tasks.start_soon(export_periodically, state)


async def _run_periodically(site: Site, seconds: float, work: Callable[[Context], Awaitable[int]], name: str) -> None:
    """Call `work` in an endless loop, with a pause of `seconds`.

    work: returns the number of items that it has processed. name: names the task in the log and the metrics.
    """
    # By hand: background tasks. FastAPI injects Starlette's own, which run after the response and are lost with the process;
    # here due work is a row in the database, and this loop does it.
    outage = OutageLog(log.bind(task=name), "background task failed", "background task recovered")
    while True:
        try:
            if count := await work(Context(site, None, dt.datetime.now(dt.UTC), "schedule")):
                log.info("background task done", task=name, count=count)
                metrics.background_items.inc(name, by=count)
            outage.recovered()
        except BlogError as error:
            metrics.background_failures.inc(name)
            outage.failed(error.detail)
        except Exception:
            metrics.background_failures.inc(name)
            log.exception("unexpected error in a background task", task=name)  # a bug here must not stop the server
        await anyio.sleep(seconds)
