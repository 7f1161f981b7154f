"""Settings of the blog in one model, read from environment variables or a `.env` file."""

import contextlib
import importlib.util
import ipaddress
import os
import re
import secrets
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import limits
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from blog.text.email_address import EmailAddress

MIN_SECRET_LENGTH = 32
MIN_TOKEN_LENGTH = 16
SECRET_FILE = ".blog-secret"  # noqa: S105 (a file name)

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[\w.-]+(:\d+)?")


class Environment(StrEnum):
    """Kind of installation."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class LogFormat(StrEnum):
    """Format of log lines; `auto` is JSON in production and `console` otherwise."""

    AUTO = "auto"
    CONSOLE = "console"
    JSON = "json"


class Synchronous(StrEnum):
    """SQLite's `synchronous` pragma. FULL: a successful response means that the change is on disk."""

    FULL = "FULL"
    NORMAL = "NORMAL"


class SettingsError(Exception):
    """The settings are not valid. The message has one line per error, which begins with the variable."""


class Settings(BaseSettings):
    """The settings. The descriptions of the fields are the table in `.docs/configuration.md`."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True, env_ignore_empty=True
    )

    secret_key: SecretStr = Field(
        default=SecretStr(""),
        description="Signs tokens and links; at least 32 characters. Unset: generated once and stored in `.blog-secret` "
        "(mode 0600).",
    )
    secret_key_previous: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(),
        description="Earlier values of `SECRET_KEY`, newest first, separated by commas. Their signatures remain valid.",
    )
    database_url: str = Field(
        default="sqlite:///blog.db",
        repr=False,  # may contain a password
        description="`sqlite:///FILE`, or `postgresql://USER:PASSWORD@HOST/NAME` for several machines.",
    )
    database_pool_max: int = Field(default=10, ge=1, le=1000, description="PostgreSQL: maximum number of connections per worker.")
    database_timeout: float = Field(
        default=10.0,
        gt=0,
        le=60,
        description="Seconds that a request waits for a connection or a write lock before it is answered with 503.",
    )
    database_statement_timeout: float = Field(
        default=30, gt=0, le=3600, description="Seconds that one SQL statement may take before the request is answered with 503."
    )
    sqlite_synchronous: Synchronous = Field(
        default=Synchronous.FULL,
        description="`FULL`: a successful response means that the change is on disk. `NORMAL`: faster, but a power "
        "failure can lose the last writes.",
    )
    media_dir: Path = Field(default=Path("media"), description="Folder of uploaded and imported images.")
    media_bucket: SecretStr | None = Field(
        default=None,
        description="An S3-compatible bucket for images, for several machines: "
        "`https://KEY:SECRET@HOST/BUCKET?region=REGION`. `MEDIA_DIR` is then a local cache.",
    )
    project_name: str = Field(default="Blog", min_length=1, max_length=100, description="The title of the blog.")
    public_url: str = Field(
        default="http://127.0.0.1:8000",
        description="The address at which readers reach the blog; every absolute link begins with it.",
    )
    environment: Environment = Field(
        default=Environment.DEVELOPMENT,
        description="`production` requires `SECRET_KEY`, logs JSON, does not log e-mail bodies, and warns about unusual "
        "settings.",
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Host names to serve, separated by commas; empty: any."
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Addresses of proxies whose `X-Forwarded-*` headers are trusted, separated by commas."
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Other origins whose pages may write without a token and open live connections, separated by commas.",
    )
    registration: bool = Field(default=True, description="Whether visitors may create accounts.")
    comments: bool = Field(default=True, description="Whether people may comment.")
    live: bool = Field(default=True, description="Whether open pages receive live updates.")
    uploads: bool = Field(default=True, description="Whether authors may upload images.")
    event_retention_days: int = Field(
        default=30, ge=1, le=3650, description="Days that events are stored for live clients that reconnect."
    )
    max_events: int = Field(default=100_000, ge=100, le=10_000_000, description="Maximum number of stored events.")
    max_cache_bytes: int = Field(
        default=33_554_432,
        ge=0,
        le=10_000_000_000,
        description="Memory per worker for cached public responses, in bytes; 0: no cache. Contents of live events have a "
        "cache of a quarter of this.",
    )
    cache_max_age: float = Field(
        default=60, ge=0, le=86_400, description="Seconds after which a cached response expires; a change invalidates it at once."
    )
    max_live_connections: int = Field(
        default=12_000, ge=1, le=1_000_000, description="Maximum number of live connections per worker."
    )
    max_live_connections_per_address: int = Field(
        default=100, ge=1, le=1_000_000, description="Maximum number of live connections per worker and client address."
    )
    max_live_messages: int = Field(
        default=600,
        ge=10,
        le=1_000_000,
        description="Messages, and pings, that a live client may send per minute; above that it is closed with 4429 or 1008.",
    )
    session_idle_days: int = Field(default=30, ge=1, le=365, description="Days after which an unused session expires.")
    session_max_days: int = Field(
        default=180,
        ge=1,
        le=3650,
        description="Days after which a session expires even if it is used; then the user signs in again.",
    )
    max_body_bytes: int = Field(
        default=1_048_576,
        ge=300_000,
        le=100_000_000,
        description="Maximum size of a request body, in bytes. For the text of a post it is 8 MiB.",
    )
    max_upload_bytes: int = Field(
        default=20_000_000, ge=100_000, le=200_000_000, description="Maximum size of an uploaded image, in bytes."
    )
    max_file_bytes: int = Field(
        default=200_000_000,
        ge=100_000,
        le=2_000_000_000,
        description="Maximum size of a request body with a PDF, audio, video or ZIP file, in bytes.",
    )
    header_timeout: float = Field(default=10, gt=0, le=600, description="Seconds in which a request head must arrive.")
    body_timeout: float = Field(
        default=30,
        gt=0,
        le=3600,
        description="Seconds in which a request body must arrive, plus one second for each 1,000 bytes.",
    )
    write_timeout: float = Field(
        default=30,
        gt=0,
        le=3600,
        description="Seconds after which a client that reads fewer than 1,000 bytes per second is disconnected.",
    )
    request_timeout: float = Field(
        default=60,
        gt=0,
        le=3600,
        description="Seconds until a response must start, without the time in which the client sends the body; then the "
        "request is answered with 503.",
    )
    max_connections: int = Field(default=12_000, ge=1, le=1_000_000, description="Maximum number of connections per worker.")
    max_connections_per_address: int = Field(
        default=256,
        ge=1,
        le=1_000_000,
        description="Maximum number of connections per worker and client address, without live connections; not applied "
        "behind `TRUSTED_PROXIES`.",
    )
    outgoing_allow_private: bool = Field(
        default=False,
        description="Whether requests to addresses that users enter may reach addresses that are not public, such as other "
        "machines of a local network, and the ports of their services.",
    )
    backup_reminder_days: int = Field(
        default=7,
        ge=0,
        le=3650,
        description="Days without `blog backup` after which `/admin` reminds owners; 0: never, for backups by another program.",
    )
    audit_retention_days: int = Field(default=180, ge=1, le=3650, description="Days that audit log entries are stored.")
    smtp_url: SecretStr | None = Field(
        default=None, description="Mail server: `smtp://user:password@host:587` or `smtps://…`; unset: no e-mail is sent."
    )
    mail_from: EmailAddress | None = Field(default=None, description="Sender address of e-mails.")
    log_format: LogFormat = Field(default=LogFormat.AUTO, description="`console`, `json`, or `auto`: JSON in production.")
    rate_limit: str = Field(
        default="300/minute",
        description="Requests that one user, or one address, may send in a period, such as `5000/hour`; `off`: no limits at all.",
    )
    login_rate_limit_per_address: str = Field(
        default="10/minute",
        description="Sign-in attempts for one account from one address. For all accounts together, one address has five "
        "times as many.",
    )
    login_rate_limit_per_account: str = Field(
        default="100/hour",
        description="Sign-in attempts for one account from all browsers in which it has never signed in, together.",
    )
    otel_exporter_otlp_endpoint: str | None = Field(
        default=None,
        description="An OpenTelemetry collector (OTLP over HTTP) that receives traces, such as `http://127.0.0.1:4318`.",
    )
    sentry_dsn: SecretStr | None = Field(
        default=None, description="A Sentry project that receives errors: type and location, never user input."
    )
    metrics_token: SecretStr | None = Field(
        default=None, description="Bearer token for reading `/metrics` with Prometheus; unset: `/metrics` is disabled."
    )
    redis_url: SecretStr | None = Field(
        default=None, description="A Redis or Valkey server: workers share rate limits, and notify each other of events."
    )

    @field_validator("allowed_hosts", "trusted_proxies", "cors_origins", "secret_key_previous", mode="before")
    @classmethod
    def _split_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("rate_limit", "login_rate_limit_per_address", "login_rate_limit_per_account")
    @classmethod
    def _check_rate_limit(cls, value: str) -> str:
        if value.strip().lower() == "off":
            return "off"
        try:
            quotas = limits.parse_many(value)
        except ValueError:
            quotas = []
        if len(quotas) != 1 or not 1 <= quotas[0].amount <= 10**9:
            raise ValueError("give off, or a number of requests and a time, such as 300/minute or 20 per 5 minutes")
        return value

    @field_validator("otel_exporter_otlp_endpoint")
    @classmethod
    def _check_otlp_endpoint(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("give an address such as http://127.0.0.1:4318")
        _require_package("opentelemetry", "otel")
        return value.rstrip("/")

    @field_validator("sentry_dsn")
    @classmethod
    def _check_sentry_dsn(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parts = urlsplit(value.get_secret_value())
            if parts.scheme not in ("http", "https") or not parts.username or not parts.path.rpartition("/")[2].isdecimal():
                raise ValueError("give the DSN of a project, such as https://key@sentry.example.org/1")
            _require_package("sentry_sdk", "sentry")
        return value

    @field_validator("metrics_token")
    @classmethod
    def _check_metrics_token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < MIN_TOKEN_LENGTH:
            raise ValueError(f"give at least {MIN_TOKEN_LENGTH} random characters")
        return value

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        parts = urlsplit(value.get_secret_value())
        if parts.scheme not in ("redis", "rediss", "unix") or not (parts.path if parts.scheme == "unix" else parts.hostname):
            raise ValueError("give an address such as redis://127.0.0.1:6379/0, rediss://… or unix:///run/redis.sock")
        _require_package("redis", "redis")
        return value

    @field_validator("media_bucket")
    @classmethod
    def _check_media_bucket(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        parts = urlsplit(value.get_secret_value())
        if parts.scheme not in ("http", "https") or not (parts.hostname and parts.username and parts.password):
            raise ValueError("give an address such as https://KEY:SECRET@s3.example.org/BUCKET?region=eu-1")
        if not parts.path.strip("/"):
            raise ValueError("name the bucket: https://KEY:SECRET@s3.example.org/BUCKET")
        if importlib.util.find_spec("obstore") is None:
            raise ValueError("the package obstore is missing: pip install 'starlette-blog[s3]'")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _check_smtp_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parts = urlsplit(value.get_secret_value())
            if parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.path.strip("/"):
                raise ValueError("give an address such as smtp://user:password@mail.example.org:587 or smtps://…")
        return value

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("give an address such as https://blog.example.org")
        if parts.path.strip("/"):
            raise ValueError("the blog is served at the root of its host: give an address without a path")
        return value.rstrip("/")

    @field_validator("allowed_hosts")
    @classmethod
    def _check_allowed_hosts(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        if invalid := [value for value in values if "/" in value or value != value.strip("[]")]:
            raise ValueError(f"give names such as blog.example.org, without scheme, path or brackets, not {invalid[0]}")
        return values

    @field_validator("cors_origins")
    @classmethod
    def _check_cors_origins(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        if invalid := [value for value in values if not _ORIGIN.fullmatch(value)]:
            raise ValueError(f"give origins such as https://app.example.org, each by name and without a path, not {invalid[0]}")
        return values

    @field_validator("trusted_proxies")
    @classmethod
    def _check_trusted_proxies(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            try:
                ipaddress.ip_network(value)
            except ValueError:
                raise ValueError(f"give addresses or networks such as 10.0.0.0/8, not {value}") from None
        return values

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, value: str) -> str:
        return normalise_database_url(value)

    @model_validator(mode="after")
    def _check_consistency(self) -> "Settings":
        if errors := [*self._weak_secrets(), *self._contradictions()]:
            raise ValueError("\n".join(errors))
        return self

    def _weak_secrets(self) -> Iterator[str]:
        if self.environment is Environment.PRODUCTION and not self.secret_key.get_secret_value():
            yield f"SECRET_KEY: required in production; for example: SECRET_KEY={secrets.token_urlsafe(32)}"
        keys = [("SECRET_KEY", self.secret_key), *(("SECRET_KEY_PREVIOUS", key) for key in self.secret_key_previous)]
        for name, secret in keys:
            text = secret.get_secret_value()
            if text and (len(text) < MIN_SECRET_LENGTH or len(set(text)) < 10):
                yield f"{name}: too weak; give at least {MIN_SECRET_LENGTH} random characters"

    def _contradictions(self) -> Iterator[str]:
        if self.smtp_url is not None and self.mail_from is None:
            yield "MAIL_FROM: required with SMTP_URL; give a sender address such as blog@example.org"

    @property
    def warnings(self) -> list[str]:
        """Settings that work but are unusual in production, one line each, with the variable first."""
        if self.environment is not Environment.PRODUCTION:
            return []
        checks = {
            "PUBLIC_URL: not an https:// address. Cookies are not Secure, and links may not work for readers": not self.is_https,
            "ALLOWED_HOSTS: empty. The blog answers requests for any host name": not self.allowed_hosts,
            "SMTP_URL: not set. Users cannot reset their passwords by e-mail": self.smtp_url is None,
        }
        return [warning for warning, applies in checks.items() if applies]

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is SQLite."""
        return self.database_url.startswith("sqlite:")

    @property
    def database_path(self) -> Path:
        """Path of the SQLite file."""
        return _sqlite_path(self.database_url)

    @property
    def database_name(self) -> str:
        """The database for messages: its file, or its URL without password and options."""
        if self.is_sqlite:
            return str(self.database_path)
        parts = urlsplit(self.database_url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def data_dir(self) -> Path:
        """Folder for files such as the secret key: that of the SQLite file, otherwise the working directory."""
        return self.database_path.parent if self.is_sqlite else Path.cwd()

    @property
    def max_media_body_bytes(self) -> int:
        """The maximum size of a request body with a file of any type, in bytes."""
        return max(self.max_upload_bytes, self.max_file_bytes)

    @property
    def can_send_email(self) -> bool:
        """Whether users can request links by e-mail. In development, without a mail server, the links are logged."""
        return self.smtp_url is not None or self.environment is Environment.DEVELOPMENT

    @property
    def is_https(self) -> bool:
        """Whether readers use TLS. Cookies are then Secure, and their names begin with `__Host-`."""
        return self.public_url.startswith("https://")

    @property
    def use_json_logs(self) -> bool:
        """Whether log lines are JSON."""
        if self.log_format is LogFormat.AUTO:
            return self.environment is Environment.PRODUCTION
        return self.log_format is LogFormat.JSON


def load_settings() -> Settings:
    """Return the settings, with the stored secret key if `SECRET_KEY` is not set.

    Raises SettingsError, which lists all errors at once and never contains a value.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(_all_error_lines(error))) from None
    if settings.secret_key.get_secret_value():
        return settings
    return settings.model_copy(update={"secret_key": SecretStr(_load_or_create_secret_key(settings.data_dir))})


def normalise_database_url(value: str) -> str:
    """Return a database URL in the form that all drivers accept. Raises ValueError if it is not valid."""
    if value.startswith(("postgresql://", "postgres://")):
        return _normalise_postgresql_url(value)
    path = value.removeprefix("sqlite:///")
    if path in (value, "", ":memory:") or "?" in path:
        raise ValueError(
            "give the path of an SQLite file, such as sqlite:///blog.db or sqlite:////var/lib/blog/blog.db, "
            "or the address of a PostgreSQL database, such as postgresql://blog:password@127.0.0.1/blog"
        )
    return value


def _all_error_lines(error: ValidationError) -> list[str]:
    """Return one line per error.

    Pydantic checks consistency only if each setting is valid by itself. The second pass checks the valid ones together.
    """
    lines = _error_lines(error)
    if invalid := {str(details["loc"][0]) for details in error.errors() if details["loc"]}:
        try:
            Settings(**{name: Settings.model_fields[name].get_default() for name in invalid})
        except ValidationError as more:
            lines += [line for line in _error_lines(more) if line.partition(":")[0].lower() not in invalid]
    return lines


def _error_lines(error: ValidationError) -> list[str]:
    return [line for details in error.errors() for line in _format_error(details["loc"], details["msg"]).splitlines()]


def _sqlite_path(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///")).absolute()


def _normalise_postgresql_url(url: str) -> str:
    # Hosting platforms write postgres://, which asyncpg accepts and SQLAlchemy does not.
    url = "postgresql://" + url.partition("://")[2]
    try:
        parts = urlsplit(url)
        is_valid = len(parts.path) > 1 and bool(parts.hostname or "host=" in parts.query) and parts.port != 0
    except ValueError:  # a port that is not a number, or an unclosed bracket
        is_valid = False
    if not is_valid:
        raise ValueError("give host and name of the database, such as postgresql://blog:password@127.0.0.1:5432/blog")
    for name in ("asyncpg", "psycopg"):
        _require_package(name, "postgres")
    return url


def _require_package(name: str, extra: str) -> None:
    if importlib.util.find_spec(name) is None:
        raise ValueError(f"the package {name} is missing: pip install 'starlette-blog[{extra}]'")


def _format_error(loc: tuple[int | str, ...], message: str) -> str:
    name = str(loc[0]).upper() + ": " if loc else ""
    return name + message.removeprefix("Value error, ")


def store_secret_key(folder: Path, secret: str) -> None:
    """Write the secret key file. A previous one is kept as `.blog-secret.old`. Raises SettingsError."""
    path = folder / SECRET_FILE
    with _temporary_file(folder, secret) as temporary:
        if path.exists():
            os.replace(path, folder / f"{SECRET_FILE}.old")
        os.replace(temporary, path)


def _load_or_create_secret_key(folder: Path) -> str:
    """Return the secret in the data folder. The first call generates it.

    Written to a temporary file and then linked: the file is complete or missing, and workers that start together use one.
    """
    path = folder / SECRET_FILE
    if not path.exists():
        with _temporary_file(folder, secrets.token_urlsafe(48)) as temporary, contextlib.suppress(FileExistsError):
            os.link(temporary, path)  # FileExistsError: another process was first, and its secret is used
    try:
        secret = path.read_text().strip()
    except OSError as error:
        raise SettingsError(
            f"SECRET_KEY: {path} cannot be read ({error.strerror}). Change its permissions or set the variable."
        ) from None
    if len(secret) < MIN_SECRET_LENGTH:
        raise SettingsError(f"SECRET_KEY: {path} contains no usable secret. Remove the file to generate a new one.")
    return secret


@contextlib.contextmanager
def _temporary_file(folder: Path, secret: str) -> Iterator[Path]:
    """Yield a temporary file with mode 0600 that contains the secret."""
    path = folder / f"{SECRET_FILE}.{secrets.token_hex(8)}"
    try:
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(secret)
        yield path
    except OSError as error:
        raise SettingsError(
            f"SECRET_KEY: not set, and {folder / SECRET_FILE} cannot be written ({error.strerror}). "
            "Set the variable, or make the folder writable."
        ) from None
    finally:
        path.unlink(missing_ok=True)
