"""The development server of `blog dev`: restarts when a source file changes, and shows tracebacks in the browser."""

from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.supervisors.statreload import StatReload

from blog.framework.templating.resources import resource_dir
from blog.server import uvicorn_options
from blog.settings import Settings, load_settings

_SOURCE_DIRS = (Path(__file__).resolve().parents[1], resource_dir("templates"), resource_dir("static"))


def run(settings: Settings, *, host: str, port: int) -> None:
    """Serve the blog in a child process until a signal stops it, and start a new one after each change of a source file."""
    config = uvicorn.Config(
        f"{__name__}:create_debug_app",
        factory=True,
        host=host,
        port=port,
        reload=True,
        **uvicorn_options(settings),  # type: ignore[arg-type]
    )
    SourceReloader(config, target=uvicorn.Server(config).run, sockets=[config.bind_socket()]).run()


class SourceReloader(StatReload):
    """Watch code, templates and static files. uvicorn's own reloader watches only `*.py` files without another package."""

    def iter_py_files(self) -> Iterator[Path]:
        """Return all files that restart the server when they change."""
        for folder in _SOURCE_DIRS:
            yield from (path for path in folder.rglob("*.*") if path.suffix != ".pyc")


def create_debug_app() -> ASGIApp:
    """Return the application with tracebacks in the browser. Called in the child process."""
    from blog.app import create_app
    from blog.observability.logging import configure_logs

    settings = load_settings()
    configure_logs(settings)
    return _TracebackStyles(create_app(settings, debug=True))


class _TracebackStyles:
    """Remove the content security policy from error pages: Starlette's traceback page has inline styles and scripts."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_styled(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 500:
                message["headers"] = [field for field in message["headers"] if field[0] != b"content-security-policy"]
            await send(message)

        await self._app(scope, receive, send_styled)
