"""Settings that do not depend on the machine."""

from typing import Any

from blog.settings import Settings


def make_settings(**values: Any) -> Settings:
    """Return settings with these values, without a `.env` file."""
    return Settings(**{"_env_file": None} | values)
