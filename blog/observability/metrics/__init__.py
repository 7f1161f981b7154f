"""What an operator wants to see of a running blog: counted in this process, and shown to Prometheus by `export`.

Nothing here imports Prometheus' client or does more than add up, so that the shortest way to an answer can afford it. Labels
are route templates and words of ours, never what a client sent: their number is bounded.
"""

from blog.observability.metrics.instruments import Counter, Gauge, Histogram, Instrument

_LATENCY_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

requests = Counter("blog_http_requests_total", "Requests that were answered.", ("method", "route", "status"))
request_durations = Histogram(
    "blog_http_request_duration_seconds", "Seconds until an answer began.", ("method", "route"), buckets=_LATENCY_BUCKETS
)
in_flight = Gauge("blog_http_requests_in_flight", "Requests that wait for an answer, or for the end of one.")
cache_lookups = Counter("blog_cache_lookups_total", "Public pages asked for: hit, shared, miss or bypass.", ("outcome",))
cache_bytes = Gauge("blog_cache_bytes", "Bytes of the answers that are kept.")
cached_responses = Gauge("blog_cache_answers", "Answers that are kept.")
rate_limited = Counter(
    "blog_rate_limit_refusals_total", "Requests that were one too many, by the limit that they met.", ("policy",)
)

statement_durations = Histogram(
    "blog_database_statement_seconds", "Seconds that a statement took.", ("kind",), buckets=_LATENCY_BUCKETS
)
pool_wait = Histogram(
    "blog_database_wait_seconds", "Seconds that a task waited for a connection.", ("role",), buckets=_LATENCY_BUCKETS
)
database_connections = Gauge("blog_database_connections", "Open connections to the database.")
database_connections_in_use = Gauge("blog_database_connections_in_use", "Connections that a task has taken.")
database_connections_awaited = Gauge("blog_database_connections_awaited", "Tasks that wait for a connection.")

live_connections = Gauge("blog_live_connections", "Clients that follow what happens.", ("transport",))
live_closes = Counter("blog_live_endings_total", "Live connections that ended, by close code.", ("code",))
event_lag = Histogram(
    "blog_event_lag_seconds",
    "Seconds from the request that made an event to its delivery to followers.",
    buckets=_LATENCY_BUCKETS,
)
loop_lag = Histogram("blog_event_loop_lag_seconds", "Seconds by which the event loop was late.", buckets=_LATENCY_BUCKETS)

background_items = Counter("blog_work_done_total", "Things that regular work did, such as scheduled posts published.", ("work",))
background_failures = Counter("blog_work_failed_total", "Times that regular work failed.", ("work",))
emails_failed = Counter("blog_letters_failed_total", "Letters that could not be sent: put off, or given up.", ("outcome",))
email_queue_length = Gauge("blog_letters_waiting", "Letters that wait to be sent.", mode="livemostrecent")
scheduled_posts_overdue = Gauge("blog_scheduled_posts_overdue", "Scheduled posts whose time has come.", mode="livemostrecent")
resident_memory = Gauge("blog_worker_resident_bytes", "Memory of the workers.")
workers = Gauge("blog_workers", "Workers that run, by the version of the blog.", ("version",))

INSTRUMENTS: tuple[Instrument, ...] = tuple(found for found in list(globals().values()) if isinstance(found, Instrument))
"""All of the above, in this order."""


def observe_request(route: str, method: str, status: int, seconds: float) -> None:
    """A request was answered. `route` is its template."""
    if method not in _METHODS:
        method = "other"
    requests.inc(method, route, str(status))
    request_durations.observe(seconds, method, route)
