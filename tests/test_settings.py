"""Settings: every mistake at once, a secret that is made once and kept."""

import stat
import subprocess
import sys

import pytest

from blog.settings import SECRET_FILE, Settings, SettingsError, load_settings

STRONG = "0123456789abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    return tmp_path


def test_nothing_set_works_and_keeps_its_secret(empty_folder):
    first, second = load_settings(), load_settings()
    kept = empty_folder / SECRET_FILE
    assert first.secret_key.get_secret_value() == second.secret_key.get_secret_value() == kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert first.database_name == str(empty_folder / "blog.db")
    assert kept.read_text() not in repr(first)


def test_processes_that_start_at_once_agree_on_one_secret(empty_folder):
    program = "from blog.settings import load_settings; print(load_settings().secret_key.get_secret_value())"
    started = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=empty_folder) for _ in range(4)]
    secrets = {process.communicate(timeout=60)[0] for process in started}
    assert len(secrets) == 1
    assert [path.name for path in empty_folder.iterdir()] == [SECRET_FILE]


def test_every_mistake_is_reported_at_once_and_no_value(monkeypatch):
    monkeypatch.setenv("PUBLIC_URL", "blog.example.org")
    monkeypatch.setenv("DATABASE_URL", "mysql://user:hunter2@host/db")
    monkeypatch.setenv("SESSION_DAYS", "many")
    with pytest.raises(SettingsError) as error:
        load_settings()
    lines = str(error.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["DATABASE_URL", "PUBLIC_URL", "SESSION_DAYS"]
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("secret", ["", "short", "a" * 64])
def test_production_refuses_a_missing_or_weak_secret(monkeypatch, secret):
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("SECRET_KEY", secret)
    with pytest.raises(SettingsError, match="SECRET_KEY"):
        load_settings()
    monkeypatch.setenv("SECRET_KEY", STRONG)
    assert load_settings().logs_json


def test_env_file_is_read_and_the_environment_wins(empty_folder, monkeypatch):
    (empty_folder / ".env").write_text(f"SECRET_KEY={STRONG}\nPROJECT_NAME=From the file\nALLOWED_HOSTS=a.example, b.example\n")
    assert load_settings().project_name == "From the file"
    assert load_settings().allowed_hosts == ("a.example", "b.example")
    monkeypatch.setenv("PROJECT_NAME", "From the environment")
    assert load_settings().project_name == "From the environment"


def test_folder_that_does_not_exist_is_named(empty_folder, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{empty_folder}/nowhere/blog.db")
    with pytest.raises(SettingsError, match="SECRET_KEY: not set, and none can be kept"):
        load_settings()
