"""Settings that do not depend on the machine."""

from typing import Any

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from blog.settings import Settings


class _GivenSettings(Settings):
    """Settings from arguments alone. To look for each in the environment would take 2 ms per test."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def make_settings(**values: Any) -> Settings:
    """Return settings with these values, without a `.env` file and environment variables."""
    return _GivenSettings(**values)
