"""The application for an ASGI server: `uvicorn blog.asgi:app`. The only module whose import has an effect."""

from blog.app import create_app
from blog.logs import configure_logs
from blog.settings import load_settings

settings = load_settings()
configure_logs(settings)
app = create_app(settings)
