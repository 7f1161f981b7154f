"""Every setting of the blog, in one model: environment variables, or lines of a `.env` file."""

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
from pydantic import EmailStr, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MIN_SECRET_LENGTH = 32
MIN_TOKEN_LENGTH = 16
SECRET_FILE = ".blog-secret"  # noqa: S105 (a file name)

_ORIGIN = re.compile(r"https?://[\w.-]+(:\d+)?")


class Environment(StrEnum):
    """Where the blog runs."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class LogFormat(StrEnum):
    """How a log line is written; `auto` is JSON in production and `console` elsewhere."""

    AUTO = "auto"
    CONSOLE = "console"
    JSON = "json"


class Synchronous(StrEnum):
    """SQLite's `synchronous` pragma: with FULL an answer of success means that the change is on disk."""

    FULL = "FULL"
    NORMAL = "NORMAL"


class SettingsError(Exception):
    """The settings are wrong; the message has one line for each mistake and says what is wanted."""


class Settings(BaseSettings):
    """What an operator can set. The description of each field is its line in the README."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True, env_ignore_empty=True
    )

    secret_key: SecretStr = Field(
        default=SecretStr(""),
        description="Signs tokens and links; at least 32 characters. Unset: made once and kept in `.blog-secret` (mode 0600).",
    )
    secret_key_previous: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(), description="Secrets before `SECRET_KEY`, newest first, with commas between: what they signed still holds."
    )
    database_url: str = Field(
        default="sqlite:///blog.db",
        repr=False,  # it may hold a password
        description="Where the blog is kept: `sqlite:///FILE`, or `postgresql://USER:PASSWORD@HOST/NAME` for several machines.",
    )
    database_pool_min: int = Field(default=1, ge=0, le=1000, description="PostgreSQL: connections that a worker always keeps.")
    database_pool_max: int = Field(default=10, ge=1, le=1000, description="PostgreSQL: the most connections of a worker.")
    database_timeout: float = Field(
        default=10.0,
        gt=0,
        le=60,
        description="Seconds that a request waits for a connection, or for others who write, before it is answered with 503.",
    )
    database_statement_timeout: float = Field(
        default=30, gt=0, le=3600, description="Seconds that one statement may take in the database; then the answer is 503."
    )
    sqlite_synchronous: Synchronous = Field(
        default=Synchronous.FULL,
        description="`FULL`: success means on disk. `NORMAL`: faster, the last writes may be lost with the power.",
    )
    media_dir: Path = Field(default=Path("media"), description="Folder of uploaded and imported images.")
    media_bucket: SecretStr | None = Field(
        default=None,
        description="A bucket that speaks S3, for images of several machines: `https://KEY:SECRET@HOST/BUCKET?region=REGION`; "
        "`MEDIA_DIR` then holds copies.",
    )
    project_name: str = Field(default="Blog", min_length=1, max_length=100, description="The title of the blog.")
    public_url: str = Field(
        default="http://127.0.0.1:8000", description="Where readers reach the blog; every absolute link begins with it."
    )
    environment: Environment = Field(
        default=Environment.DEVELOPMENT,
        description="`production` wants a secret, logs JSON, keeps letters out of the log, and names what is unusual.",
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Host names that are answered, with commas between; empty: any."
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Addresses of proxies whose `X-Forwarded-*` headers are believed, with commas between."
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Other origins whose pages may write and follow live, with commas between."
    )
    registration: bool = Field(default=True, description="May visitors make accounts of their own?")
    comments: bool = Field(default=True, description="May people comment?")
    live: bool = Field(default=True, description="Do open pages follow what happens?")
    uploads: bool = Field(default=True, description="May authors upload images?")
    event_retention_days: int = Field(
        default=30, ge=1, le=3650, description="Days that events are kept for those who come back to follow live."
    )
    max_events: int = Field(default=100_000, ge=100, le=10_000_000, description="The most events that are kept.")
    max_cache_bytes: int = Field(
        default=33_554_432,
        ge=0,
        le=10_000_000_000,
        description="Memory of a worker for finished public answers; 0: none are kept.",
    )
    cache_max_age: float = Field(
        default=60, ge=0, le=86_400, description="Seconds that they are kept at most; what changes goes at once."
    )
    max_live_connections: int = Field(default=12_000, ge=1, le=1_000_000, description="Live connections that a worker takes.")
    max_live_connections_per_address: int = Field(
        default=100, ge=1, le=1_000_000, description="Live connections that a worker takes from one address."
    )
    max_live_message_bytes: int = Field(
        default=65_536,
        ge=4_096,
        le=1_048_576,
        description="Largest message of a live client, in bytes; then it is closed with 1009.",
    )
    max_live_messages: int = Field(
        default=600,
        ge=10,
        le=1_000_000,
        description="Messages, and pings, that a live client may send in a minute; then it is closed with 4429 or 1008.",
    )
    session_idle_days: int = Field(default=30, ge=1, le=365, description="Days until a session that is not used ends.")
    session_max_days: int = Field(
        default=180, ge=1, le=3650, description="Days until a session ends however much it is used: then one signs in again."
    )
    token_days: int = Field(default=90, ge=1, le=3650, description="Days a bearer token lasts, if its maker does not say.")
    max_body_bytes: int = Field(default=1_048_576, ge=300_000, le=100_000_000, description="Largest request body, in bytes.")
    max_upload_bytes: int = Field(
        default=20_000_000, ge=100_000, le=200_000_000, description="Largest request body with an image, in bytes."
    )
    max_header_bytes: int = Field(
        default=32_768, ge=4_096, le=1_048_576, description="Largest head of a request: its address and header fields, in bytes."
    )
    header_timeout: float = Field(default=10, gt=0, le=600, description="Seconds that the head of a request may take to come.")
    max_header_fields: int = Field(default=100, ge=20, le=10_000, description="The most header fields of a request.")
    max_url_bytes: int = Field(default=8_192, ge=1_024, le=65_536, description="Longest path and query of a request, in bytes.")
    body_timeout: float = Field(
        default=30,
        gt=0,
        le=3600,
        description="Seconds that the body of a request may take to come, and one more for each `MIN_TRANSFER_RATE` bytes of it.",
    )
    write_timeout: float = Field(
        default=30,
        gt=0,
        le=3600,
        description="Seconds after which a client that took less than `MIN_TRANSFER_RATE` bytes in each of them is cut off.",
    )
    min_transfer_rate: int = Field(
        default=1_000,
        ge=1,
        le=10_000_000,
        description="Bytes in a second that a client must send or take, on average, while the blog waits for it.",
    )
    request_timeout: float = Field(
        default=60,
        gt=0,
        le=3600,
        description="Seconds that the blog may work until an answer begins, besides waiting for the client; then it is 503.",
    )
    json_values: int = Field(
        default=1_000, ge=500, le=1_000_000, description="The most values in a JSON body, those within others counted as well."
    )
    json_depth: int = Field(default=32, ge=8, le=150, description="How deep a JSON body may be nested.")
    json_digits: int = Field(
        default=40, ge=19, le=300, description="Digits that a number in a JSON body may have before its point."
    )
    json_name_length: int = Field(
        default=200, ge=100, le=100_000, description="Longest name of a member in a JSON body, in characters."
    )
    max_form_fields: int = Field(default=50, ge=30, le=1_000, description="The most fields of a form.")
    max_connections: int = Field(default=12_000, ge=1, le=1_000_000, description="Connections that a worker takes.")
    max_connections_per_address: int = Field(
        default=256,
        ge=1,
        le=1_000_000,
        description="Connections that a worker takes from one address, beside live ones; not counted behind `TRUSTED_PROXIES`.",
    )
    audit_retention_days: int = Field(default=180, ge=1, le=3650, description="Days that the audit log goes back.")
    smtp_url: SecretStr | None = Field(
        default=None,
        description="A server that sends letters: `smtp://user:password@host:587` or `smtps://…`; unset: none are sent.",
    )
    mail_from: EmailStr | None = Field(default=None, description="The address that letters come from.")
    log_format: LogFormat = Field(default=LogFormat.AUTO, description="`console`, `json`, or `auto`.")
    rate_limit: str = Field(
        default="300/minute",
        description="Requests that one user, or one address, may send in a time, such as `5000/hour`; `off`: nothing is limited.",
    )
    login_rate_limit_per_address: str = Field(
        default="10/minute",
        description="Attempts to sign in to one account from one address; from one address to all accounts five times as many.",
    )
    login_rate_limit_per_account: str = Field(
        default="100/hour",
        description="Attempts to sign in to one account from all browsers together that never did so before.",
    )
    otel_exporter_otlp_endpoint: str | None = Field(
        default=None, description="An OpenTelemetry collector (OTLP over HTTP) that gets traces, such as `http://127.0.0.1:4318`."
    )
    sentry_dsn: SecretStr | None = Field(
        default=None, description="A Sentry that hears of errors: type and place, never what somebody typed."
    )
    metrics_token: SecretStr | None = Field(
        default=None, description="Who sends this as a bearer token reads `/metrics` of Prometheus; unset: nobody does."
    )
    redis_url: SecretStr | None = Field(
        default=None,
        description="A Redis or Valkey: workers count requests together, tell each other of events, and share finished answers.",
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
        if wrong := [value for value in values if "/" in value or value != value.strip("[]")]:
            raise ValueError(f"give names such as blog.example.org, without scheme, path or brackets, not {wrong[0]}")
        return values

    @field_validator("cors_origins")
    @classmethod
    def _check_cors_origins(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [value for value in values if not _ORIGIN.fullmatch(value)]:
            raise ValueError(f"give origins such as https://app.example.org, each by name and without a path, not {wrong[0]}")
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
        if mistakes := [*self._weak_secrets(), *self._contradictions()]:
            raise ValueError("\n".join(mistakes))
        return self

    def _weak_secrets(self) -> Iterator[str]:
        if self.environment is Environment.PRODUCTION and not self.secret_key.get_secret_value():
            yield f"SECRET_KEY: production needs one; try: SECRET_KEY={secrets.token_urlsafe(32)}"
        given = [("SECRET_KEY", self.secret_key), *(("SECRET_KEY_PREVIOUS", key) for key in self.secret_key_previous)]
        for name, secret in given:
            text = secret.get_secret_value()
            if text and (len(text) < MIN_SECRET_LENGTH or len(set(text)) < 10):
                yield f"{name}: too weak; give at least {MIN_SECRET_LENGTH} random characters"

    def _contradictions(self) -> Iterator[str]:
        if self.database_pool_min > self.database_pool_max:
            yield "DATABASE_POOL_MIN: give no more than DATABASE_POOL_MAX"
        if self.smtp_url is not None and self.mail_from is None:
            yield "MAIL_FROM: letters need an address that they come from, such as blog@example.org"

    @property
    def warnings(self) -> list[str]:
        """What works, and is seldom meant in production: a line for each, with the variable first."""
        if self.environment is not Environment.PRODUCTION:
            return []
        unusual = {
            "PUBLIC_URL: not an https:// address. Cookies are not Secure, and links may not work for readers": not self.is_https,
            "ALLOWED_HOSTS: empty, so that any name of this server is answered": not self.allowed_hosts,
            "SMTP_URL: not set, so that nobody can ask for a new password by mail": self.smtp_url is None,
        }
        return [caution for caution, is_so in unusual.items() if is_so]

    @property
    def is_sqlite(self) -> bool:
        """Is the blog kept in a file?"""
        return self.database_url.startswith("sqlite:")

    @property
    def database_path(self) -> Path:
        """The SQLite file."""
        return _sqlite_path(self.database_url)

    @property
    def database_name(self) -> str:
        """For people to read: the file, or the address without its password and options."""
        if self.is_sqlite:
            return str(self.database_path)
        parts = urlsplit(self.database_url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def data_dir(self) -> Path:
        """Where the blog keeps files of its own: beside the SQLite file, else where it was started."""
        return self.database_path.parent if self.is_sqlite else Path.cwd()

    @property
    def can_send_email(self) -> bool:
        """Can people ask for links by e-mail? While developing, without a server, they are in the log."""
        return self.smtp_url is not None or self.environment is Environment.DEVELOPMENT

    @property
    def is_https(self) -> bool:
        """Are readers served over TLS? Then cookies are Secure and named `__Host-…`."""
        return self.public_url.startswith("https://")

    @property
    def use_json_logs(self) -> bool:
        """JSON or lines for people?"""
        if self.log_format is LogFormat.AUTO:
            return self.environment is Environment.PRODUCTION
        return self.log_format is LogFormat.JSON


def load_settings() -> Settings:
    """Read the settings and complete them with a kept secret.

    Raises SettingsError that names every mistake at once, never a value.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(_all_error_lines(error))) from None
    if settings.secret_key.get_secret_value():
        return settings
    return settings.model_copy(update={"secret_key": SecretStr(_load_or_create_secret_key(settings.data_dir))})


def normalise_database_url(value: str) -> str:
    """The address of a database as all of the code takes it. Raises ValueError when it can be none."""
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
    """A line for each. What belongs together is looked at only when each setting is right by itself: here also with the rest."""
    lines = _error_lines(error)
    if wrong := {str(fault["loc"][0]) for fault in error.errors() if fault["loc"]}:
        try:
            Settings(**{name: Settings.model_fields[name].get_default() for name in wrong})
        except ValidationError as more:
            lines += [line for line in _error_lines(more) if line.partition(":")[0].lower() not in wrong]
    return lines


def _error_lines(error: ValidationError) -> list[str]:
    return [line for fault in error.errors() for line in _format_error(fault["loc"], fault["msg"]).splitlines()]


def _sqlite_path(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///")).absolute()


def _normalise_postgresql_url(url: str) -> str:
    """The address as all drivers take it; hosts of applications write postgres://."""
    url = "postgresql://" + url.partition("://")[2]
    try:
        parts = urlsplit(url)
        is_whole = len(parts.path) > 1 and bool(parts.hostname or "host=" in parts.query) and parts.port != 0
    except ValueError:  # a port that is no number, a bracket that stays open
        is_whole = False
    if not is_whole:
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
    """Put a secret beside the database, in the place of another, which stays as `.blog-secret.old`. Raises SettingsError."""
    path = folder / SECRET_FILE
    with _temporary_file(folder, secret) as made:
        if path.exists():
            os.replace(path, folder / f"{SECRET_FILE}.old")
        os.replace(made, path)


def _load_or_create_secret_key(folder: Path) -> str:
    """The secret beside the database, made at the first start.

    It appears whole or not at all (written apart, then linked), so that two workers starting at once agree on one.
    """
    path = folder / SECRET_FILE
    if not path.exists():
        with _temporary_file(folder, secrets.token_urlsafe(48)) as made, contextlib.suppress(FileExistsError):
            os.link(made, path)  # or another process was first: its secret counts
    try:
        secret = path.read_text().strip()
    except OSError as error:
        raise SettingsError(
            f"SECRET_KEY: {path} cannot be read ({error.strerror}); mend its permissions or set the variable"
        ) from None
    if len(secret) < MIN_SECRET_LENGTH:
        raise SettingsError(f"SECRET_KEY: {path} holds no usable secret; remove the file to have a new one made")
    return secret


@contextlib.contextmanager
def _temporary_file(folder: Path, secret: str) -> Iterator[Path]:
    """A file that only its owner reads, under a name of its own, until it gets its place."""
    made = folder / f"{SECRET_FILE}.{secrets.token_hex(8)}"
    try:
        made.touch(mode=0o600, exist_ok=False)
        made.write_text(secret)
        yield made
    except OSError as error:
        raise SettingsError(
            f"SECRET_KEY: not set, and none can be kept in {folder / SECRET_FILE} ({error.strerror}); "
            "set it, or make the folder writable"
        ) from None
    finally:
        made.unlink(missing_ok=True)
