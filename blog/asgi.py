"""The ASGI application: `uvicorn blog.asgi:app`. Importing this module reads the settings and configures the process."""

import gc
import sys

gc.disable()  # while modules are imported: collections take a quarter of a start and free nothing

from blog.app import create_app  # noqa: E402
from blog.observability.logging import configure_logs  # noqa: E402
from blog.settings import load_settings  # noqa: E402

settings = load_settings()
configure_logs(settings)
app = create_app(settings)
# Exclude all objects loaded so far from garbage collection: scanning them makes a request with many small values, such as
# 350,000 empty lists in JSON, ten times as slow.
gc.freeze()
gc.enable()
# A full collection scans all later objects, such as 300 per live connection: with 2,000 connections it takes 0.2 s. Connections
# leave no garbage behind, so full collections run 70 times less often than by default.
gc.set_threshold(5_000, 10, 100)
# A database thread that waits for the GIL requests it after this interval. With the default (5 ms) an event loop with work every
# millisecond never has to release it, and a statement could take seconds.
sys.setswitchinterval(0.0001)
