"""Settings: all errors are reported together, and a generated secret is stored."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from blog.settings import SECRET_FILE, Settings, SettingsError, load_settings
from tests.support.configuration import make_settings
from tests.support.serving import free_port, serving, wait_until_up

STRONG = "0123456789abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    return tmp_path


def test_defaults_work_and_the_generated_secret_is_stored(empty_folder: Path) -> None:
    first, second = load_settings(), load_settings()
    kept = empty_folder / SECRET_FILE
    assert first.secret_key.get_secret_value() == second.secret_key.get_secret_value() == kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert first.database_name == str(empty_folder / "blog.db")
    assert kept.read_text() not in repr(first)


def test_processes_started_together_share_one_secret(empty_folder: Path) -> None:
    program = "from blog.settings import load_settings; print(load_settings().secret_key.get_secret_value())"
    started = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=empty_folder) for _ in range(4)]
    secrets = {process.communicate(timeout=60)[0] for process in started}
    assert len(secrets) == 1
    assert [path.name for path in empty_folder.iterdir()] == [SECRET_FILE]


def test_all_errors_are_reported_together_without_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_URL", "blog.example.org")
    monkeypatch.setenv("DATABASE_URL", "mysql://user:hunter2@host/db")
    monkeypatch.setenv("SESSION_IDLE_DAYS", "many")
    with pytest.raises(SettingsError) as error:
        load_settings()
    lines = str(error.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["DATABASE_URL", "PUBLIC_URL", "SESSION_IDLE_DAYS"]
    assert "hunter2" not in str(error.value)


def test_inconsistent_settings_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("PUBLIC_URL", "blog.example.org")
    monkeypatch.setenv("SMTP_URL", "smtp://mail.example.org")
    monkeypatch.setenv("SECRET_KEY_PREVIOUS", "weak")
    monkeypatch.setenv("METRICS_TOKEN", "hunter2")
    with pytest.raises(SettingsError) as error:
        load_settings()
    named = [line.partition(":")[0] for line in str(error.value).splitlines()]
    assert named == ["PUBLIC_URL", "METRICS_TOKEN", "SECRET_KEY", "SECRET_KEY_PREVIOUS", "MAIL_FROM"]
    assert "hunter2" not in str(error.value)
    monkeypatch.setenv("MAIL_FROM", "nobody")
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert str(error.value).count("MAIL_FROM") == 1, "each mistake once"


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "give an address such as http://127.0.0.1:4318"),
        ("SENTRY_DSN", "https://sentry.example.org/1", "give the DSN of a project"),
        ("METRICS_TOKEN", "short", "give at least 16 random characters"),
    ],
)
def test_monitoring_urls_and_tokens_are_validated(monkeypatch: pytest.MonkeyPatch, name: str, value: str, wanted: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"{name}: {wanted}"):
        load_settings()


@pytest.mark.parametrize("secret", ["", "short", "a" * 64])
def test_production_refuses_a_missing_or_weak_secret(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("SECRET_KEY", secret)
    with pytest.raises(SettingsError, match="SECRET_KEY"):
        load_settings()
    monkeypatch.setenv("SECRET_KEY", STRONG)
    assert load_settings().use_json_logs


def test_env_file_is_read_and_the_environment_wins(empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (empty_folder / ".env").write_text(f"SECRET_KEY={STRONG}\nPROJECT_NAME=From the file\nALLOWED_HOSTS=a.example, b.example\n")
    assert load_settings().project_name == "From the file"
    assert load_settings().allowed_hosts == ("a.example", "b.example")
    monkeypatch.setenv("PROJECT_NAME", "From the environment")
    assert load_settings().project_name == "From the environment"


def test_missing_folder_is_reported(empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{empty_folder}/nowhere/blog.db")
    with pytest.raises(SettingsError, match=r"SECRET_KEY: not set, and .* cannot be written"):
        load_settings()


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("postgresql://blog:hunter2@db.example:5433/notes?sslmode=require", "postgresql://db.example:5433/notes"),
        ("postgres://blog:hunter2@db.example/notes", "postgresql://db.example/notes"),
        ("postgresql://blog@/notes?host=/run/postgresql", "postgresql:///notes"),
    ],
)
def test_postgresql_url_is_shown_without_its_password(
    empty_folder: Path, monkeypatch: pytest.MonkeyPatch, given: str, shown: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", given)
    settings = load_settings()
    assert settings.database_url == "postgresql://" + given.partition("://")[2]
    assert (settings.database_name, settings.data_dir) == (shown, empty_folder)
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize("given", ["postgresql://db.example", "postgresql:///notes", "postgresql://db.example:many/notes"])
def test_incomplete_server_url_is_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("DATABASE_URL", given)
    with pytest.raises(SettingsError, match="DATABASE_URL: give host and name"):
        load_settings()


def test_missing_driver_is_reported_with_an_installation_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("DATABASE_URL", "postgresql://db.example/notes")
    with pytest.raises(SettingsError, match=r"asyncpg is missing: pip install 'starlette-blog\[postgres\]'"):
        load_settings()


def test_production_warns_about_unusual_settings_at_the_start(tmp_path: Path) -> None:
    plain = make_settings(secret_key=STRONG, environment="production")
    assert [line.partition(":")[0] for line in plain.warnings] == ["PUBLIC_URL", "ALLOWED_HOSTS", "SMTP_URL"]
    letters = {"smtp_url": "smtp://mail.a.example", "mail_from": "a@a.example"}
    whole = plain.model_copy(update={"public_url": "https://a.example", "allowed_hosts": ("a.example",), **letters})
    assert whole.warnings == []
    assert make_settings(secret_key=STRONG).warnings == [], "while developing all of that is usual"
    port = free_port()
    with serving(tmp_path, port, ENVIRONMENT="production", SECRET_KEY=STRONG, PUBLIC_URL="https://a.example") as (process, log):
        wait_until_up(port, process)
        said = [line for line in log.read_text().splitlines() if line.startswith("Warning: ")]
    assert [line.split(":")[1].strip() for line in said] == ["ALLOWED_HOSTS", "SMTP_URL"]
