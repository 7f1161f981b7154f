"""A blog as a pure Starlette application: three doors over one domain.

    asgi · cli          the two ways in: `blog.asgi:app` for a server, `blog …` for an operator
    app                 composition root: lifespan, top route table, middleware order
    api · web · live    the doors: JSON, HTML pages, WebSocket; each a `routes.py` and endpoint classes
    transfer            import from other blogs
    middleware          access log and authentication (`BaseHTTPMiddleware`), protection (plain ASGI)
    http                what FastAPI would have injected, by hand: context, identity, parsing, answers
    domain              rules and queries: posts, comments, accounts, tokens, events; knows no Starlette
    schemas · db        models that cross the wire · tables, connections, migrations, full-text index
    errors · settings · text    what can go wrong · what an operator can set · Markdown and slugs, pure

Imports point down this list, never up and never sideways between the doors; `tests/test_imports.py` holds the code to it.
"""

__version__ = "0.1.0"
