"""The metrics of this process, which `export` shows to Prometheus.

Does not import Prometheus' client and only adds numbers, so that even a cached response can afford it. Label values are route
templates and constants, never client input, so that their number is bounded.
"""

from blog.observability.metrics.instruments import Counter, Gauge, Histogram, Instrument

_LATENCY_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

requests = Counter("blog_http_requests_total", "Responses sent.", ("method", "route", "status"))
request_durations = Histogram(
    "blog_http_request_duration_seconds", "Seconds until a response started.", ("method", "route"), buckets=_LATENCY_BUCKETS
)
in_flight = Gauge("blog_http_requests_in_flight", "Requests whose response is not complete.")
cache_lookups = Counter("blog_cache_lookups_total", "Cache lookups for public pages: hit, miss or bypass.", ("outcome",))
cache_bytes = Gauge("blog_cache_bytes", "Size of the cached responses in bytes.")
cached_responses = Gauge("blog_cached_responses", "Number of cached responses.")
rate_limited = Counter("blog_rate_limited_total", "Requests refused by a rate limit.", ("policy",))

statement_durations = Histogram(
    "blog_database_statement_seconds", "Seconds that a statement took.", ("kind",), buckets=_LATENCY_BUCKETS
)
pool_wait = Histogram(
    "blog_database_pool_wait_seconds", "Seconds that a task waited for a connection.", ("role",), buckets=_LATENCY_BUCKETS
)
database_connections = Gauge("blog_database_connections", "Open connections to the database.")
database_connections_in_use = Gauge("blog_database_connections_in_use", "Database connections in use.")
database_connections_awaited = Gauge("blog_database_connections_awaited", "Tasks that wait for a database connection.")

live_connections = Gauge("blog_live_connections", "Open live connections.", ("transport",))
live_closes = Counter("blog_live_closes_total", "Live connections that were closed, by close code.", ("code",))
event_lag = Histogram(
    "blog_event_lag_seconds",
    "Seconds from the request that caused an event to its delivery to subscribers.",
    buckets=_LATENCY_BUCKETS,
)
loop_lag = Histogram("blog_event_loop_lag_seconds", "Seconds by which the event loop was late.", buckets=_LATENCY_BUCKETS)

background_items = Counter("blog_background_items_total", "Items that background tasks processed.", ("task",))
background_failures = Counter("blog_background_failures_total", "Failed runs of background tasks.", ("task",))
emails_failed = Counter("blog_emails_failed_total", "Failed attempts to send an e-mail: rescheduled or abandoned.", ("outcome",))
email_queue_length = Gauge("blog_email_queue_length", "E-mails that wait to be sent.", mode="livemostrecent")
scheduled_posts_overdue = Gauge(
    "blog_scheduled_posts_overdue", "Scheduled posts that are due but not published.", mode="livemostrecent"
)
resident_memory = Gauge("blog_worker_resident_bytes", "Resident memory of the workers in bytes.")
workers = Gauge("blog_workers", "Running workers, by version of the blog.", ("version",))

INSTRUMENTS: tuple[Instrument, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Instrument))
"""All metrics above, in this order."""


def observe_request(route: str, method: str, status: int, seconds: float) -> None:
    """Record a response. `route` is the route template, `seconds` the time until the response started."""
    if method not in _METHODS:
        method = "other"
    requests.inc(method, route, str(status))
    request_durations.observe(seconds, method, route)
