"""The image contains all build inputs, its health check is correct, and the services of compose fit together."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from blog.server import GRACEFUL_SHUTDOWN_TIMEOUT
from blog.settings import Settings
from tests.support.configuration import make_settings
from tests.support.lines import ROOT
from tests.support.serving import clean_environment, free_port, serving, wait_until_up
from tests.support.tools import DEPLOY, checked, tool

DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
EXAMPLE = """
import sys
from compose_spec import PyCompose
print(PyCompose.from_yaml(open(sys.argv[1]).read()).service_names())
"""


def test_dockerfile_passes_the_linter() -> None:
    assert checked(tool("hadolint"), "Dockerfile") == ""


def test_image_contains_all_package_files() -> None:
    copied = set(re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE))
    sources = {source for line in copied for source in line.split()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert sources == {"pyproject.toml", project["project"]["readme"], *wheel["packages"], *wheel["force-include"]}
    let_through = (DEPLOY / "Dockerfile.dockerignore").read_text().split("!")[1:]
    assert {line.split()[0] for line in let_through} == sources
    (extras,) = re.findall(r"'\.\[(.*)\]'", DOCKERFILE)
    assert set(extras.split(",")) <= set(project["project"]["optional-dependencies"])


def test_image_runs_unprivileged_and_can_write_its_data() -> None:
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE) == ["10001:10001"]
    assert "install -d -o blog -g blog /data /data/media" in DOCKERFILE
    assert "VOLUME /data" in DOCKERFILE
    values = dict(re.findall(r"\b([A-Z_]+)=(\S+)", DOCKERFILE.partition("\nENV ")[2].partition("\n\n")[0]))
    assert {name for name in values if name.lower() in Settings.model_fields} == {"ENVIRONMENT", "DATABASE_URL", "MEDIA_DIR"}
    assert values["DATABASE_URL"] == "sqlite:////data/blog.db"


@pytest.mark.sqlite
def test_health_check_of_the_image_reports_the_state(home: Path) -> None:
    (command,) = re.findall(r"^ +CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    port = free_port()
    _python, *arguments = [part.replace(":8000", f":{port}") for part in json.loads(command)]

    def is_healthy() -> bool:
        command = [sys.executable, *arguments]
        return subprocess.run(command, env=clean_environment(), capture_output=True, timeout=30, check=False).returncode == 0

    assert not is_healthy()
    with serving(home, port, ALLOWED_HOSTS="blog.example.org") as (process, _log):  # the check asks by address
        wait_until_up(port, process)
        assert is_healthy()


def test_compose_file_is_valid() -> None:
    if "BLOG_TEST_TOOLS" not in os.environ:
        pytest.skip("no compose-spec: see .deploy/checks.txt")
    names = checked(tool("python"), "-c", EXAMPLE, DEPLOY / "compose.yaml")
    assert names == "['app', 'migrate', 'db', 'redis', 'nginx', 'prometheus']\n"


def test_compose_services_fit_together() -> None:
    services = COMPOSE["services"]
    for service in services.values():
        awaited = service.get("depends_on", {})
        assert set(awaited) <= set(services)
        assert set(service.get("networks", [])) <= set(COMPOSE["networks"])
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or (DEPLOY / source).is_dir(), volume
        for name, wait in awaited.items():
            if wait["condition"] == "service_healthy" and name != "app":  # that of the application is in its image
                assert "healthcheck" in services[name]
    assert "HEALTHCHECK" in DOCKERFILE


def test_compose_passes_existing_settings() -> None:
    app = COMPOSE["services"]["app"]
    assert {name.lower() for name in app["environment"]} <= set(Settings.model_fields)
    assert app["environment"] == COMPOSE["services"]["migrate"]["environment"]
    assert app["environment"]["TRUSTED_PROXIES"] == COMPOSE["networks"]["inside"]["ipam"]["config"][0]["subnet"]
    make_settings(secret_key="x0123456789abcdefghijklmnopqrstuvwxyz", **values(app["environment"]))
    assert int(app["stop_grace_period"].removesuffix("s")) > GRACEFUL_SHUTDOWN_TIMEOUT, "requests that are at work may end"


def values(environment: dict[str, str]) -> dict[str, str]:
    return {name.lower(): re.sub(r"\$\{.*?\}", "a-password", value) for name, value in environment.items()}
