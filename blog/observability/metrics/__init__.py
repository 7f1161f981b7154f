"""What an operator wants to see of a running blog: counted in this process, and shown to Prometheus by `export`.

Nothing here imports Prometheus' client or does more than add up, so that the shortest way to an answer can afford it. Labels
are route templates and words of ours, never what a client sent: their number is bounded.
"""

from blog.observability.metrics.instruments import Counter, Instrument, Level, Timing

_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

requests = Counter("blog_http_requests_total", "Requests that were answered.", ("method", "route", "status"))
durations = Timing("blog_http_request_duration_seconds", "Seconds until an answer began.", ("method", "route"), bounds=_FAST)
in_flight = Level("blog_http_requests_in_flight", "Requests that wait for an answer, or for the end of one.")
cache_lookups = Counter("blog_cache_lookups_total", "Public pages asked for: hit, shared, miss or bypass.", ("outcome",))
cache_bytes = Level("blog_cache_bytes", "Bytes of the answers that are kept.")
cache_answers = Level("blog_cache_answers", "Answers that are kept.")
refusals = Counter("blog_rate_limit_refusals_total", "Requests that were one too many, by the limit that they met.", ("policy",))

statements = Timing("blog_database_statement_seconds", "Seconds that a statement took.", ("kind",), bounds=_FAST)
waits = Timing("blog_database_wait_seconds", "Seconds that a task waited for a connection.", ("role",), bounds=_FAST)
connections = Level("blog_database_connections", "Open connections to the database.")
connections_in_use = Level("blog_database_connections_in_use", "Connections that a task has taken.")
connections_awaited = Level("blog_database_connections_awaited", "Tasks that wait for a connection.")

live_connections = Level("blog_live_connections", "Clients that follow what happens.", ("door",))
live_endings = Counter("blog_live_endings_total", "Live connections that ended, by close code.", ("code",))
event_lag = Timing(
    "blog_event_lag_seconds", "Seconds from the request that made an event to its delivery to followers.", bounds=_FAST
)
loop_lag = Timing("blog_event_loop_lag_seconds", "Seconds by which the event loop was late.", bounds=_FAST)

work_done = Counter("blog_work_done_total", "Things that regular work did, such as scheduled posts published.", ("work",))
work_failed = Counter("blog_work_failed_total", "Times that regular work failed.", ("work",))
letters_failed = Counter("blog_letters_failed_total", "Letters that could not be sent: put off, or given up.", ("outcome",))
letters_waiting = Level("blog_letters_waiting", "Letters that wait to be sent.", mode="livemostrecent")
posts_overdue = Level("blog_scheduled_posts_overdue", "Scheduled posts whose time has come.", mode="livemostrecent")
memory = Level("blog_worker_resident_bytes", "Memory of the workers.")
workers = Level("blog_workers", "Workers that run, by the version of the blog.", ("version",))

INSTRUMENTS: tuple[Instrument, ...] = tuple(found for found in list(globals().values()) if isinstance(found, Instrument))
"""All of the above, in this order."""


def observe(route: str, method: str, status: int, seconds: float) -> None:
    """A request was answered. `route` is its template."""
    if method not in _METHODS:
        method = "other"
    requests.add(method, route, str(status))
    durations.add(seconds, method, route)
