"""A blog as a pure Starlette application: JSON, HTML and live interfaces over one domain.

    __main__                     `python -m blog`
    asgi · cli                   entry points: `blog.asgi:app` for a server, `blog …` for an operator
    server                       uvicorn with limits, as `blog serve` starts it
    app · demo                   composition root: lifespan, top route table, middleware order · a small example blog
    api · web · live             the interfaces: JSON, HTML pages, WebSocket and SSE; each with its routes and endpoint classes
    import_export · ops          content in and out · backup, restore, integrity check, health, metrics endpoint
    realtime                     followers of the event log: hub, subscriptions, replay
    mail                         e-mail to members, sent when it is due
    delivery                     outgoing requests: the guarded HTTP client
    middleware                   access log, authentication (`BaseHTTPMiddleware`); security, cache, compression (plain ASGI)
    framework                    the parts that FastAPI would provide, by hand: identity, parsing, responses, caching
    domain                       rules and queries by feature: posts, comments, accounts, media, site; knows no Starlette
    schemas · db                 models that cross the wire · tables, connections, migrations, full-text index
    observability                logging, metrics, tracing, error reports, response timings
    errors · settings            domain errors · configuration
    text                         Markdown, diffs, slugs, e-mail addresses
    progress                     progress callbacks of long-running commands

Imports point down this list, never up and never sideways between interfaces. `tests/test_imports.py` reads this list.
"""

__version__ = "0.1.0"
