"""The application for an ASGI server: `uvicorn blog.asgi:app`. The only module whose import has an effect."""

import gc
import sys

from blog.app import create_app
from blog.observability.logging import configure_logs
from blog.settings import load_settings

settings = load_settings()
configure_logs(settings)
app = create_app(settings)
# What is loaded by now stays: a collector that goes through all of it again and again makes a request with many small values,
# such as 350,000 empty lists in JSON, ten times as slow.
gc.freeze()
# A full collection goes through all that came since, such as 300 objects of each live connection: two thousand of them make it
# a fifth of a second. Connections leave no garbage behind, so it comes seventy times as rarely as by default.
gc.set_threshold(5_000, 10, 100)
# The event loop gives up the interpreter for a moment whenever it looks for news, and has it back before the thread of a database
# connection is awake. A thread asks it to let go only after this time without a moment: by default (5 ms) never, if the loop
# has news every millisecond, and a statement could take seconds.
sys.setswitchinterval(0.0001)
