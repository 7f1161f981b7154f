"""A blog as a pure Starlette application: three doors over one domain.

    __main__                     `python -m blog`
    asgi · cli                   the two ways in: `blog.asgi:app` for a server, `blog …` for an operator
    server                       uvicorn as `blog serve` starts it
    app · demo                   composition root: lifespan, top route table, middleware order · a small example blog
    api · web · live             the doors: JSON, HTML pages, WebSocket; each with its routes and endpoint classes
    transfer · ops               import from other blogs, and data for people to take along · backup, restore, damage, health
    broadcast                    the event log, followed for all doors: hub, replay, who may hear of what
    mail                         letters to members, sent when they are due
    middleware                   access log and authentication (`BaseHTTPMiddleware`), protection and compression (plain ASGI)
    http                         what FastAPI would have injected, by hand: context, identity, parsing, answers
    domain                       rules and queries: posts, comments, accounts, tokens, events; knows no Starlette
    schemas · db                 models that cross the wire · tables, connections, migrations, full-text index
    tracing · reporting          spans for OpenTelemetry · errors for Sentry
    logs · metrics               one stream of log lines · what is counted, for Prometheus
    errors · settings · text · timings    what can go wrong · what an operator can set · Markdown and slugs · where time went

Imports point down this list, never up and never sideways between the doors; `tests/test_imports.py` reads it from here.
"""

__version__ = "0.1.0"
