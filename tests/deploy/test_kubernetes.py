"""The manifests match the schemas of Kubernetes, and refer to existing objects, settings and paths."""

import re

import pytest
import yaml
from pydantic import ValidationError

from blog.server import GRACEFUL_SHUTDOWN_TIMEOUT
from blog.settings import Settings
from tests.support import matching
from tests.support.configuration import make_settings
from tests.support.tools import DEPLOY, checked, tool

FOLDER = DEPLOY / "kubernetes"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
RESOURCES = {path.name: yaml.safe_load(path.read_text()) for path in FOLDER.glob("*.yaml") if path.name != "kustomization.yaml"}
BY_KIND = {resource["kind"]: resource for resource in RESOURCES.values()}
POD = BY_KIND["Deployment"]["spec"]["template"]["spec"]
(APP,) = POD["containers"]


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_manifests_match_the_schemas(version: str) -> None:
    paths = [FOLDER / name for name in RESOURCES]
    said = checked(tool("kubernetes-validate"), "--strict", "-k", version, *paths)
    assert said.count(" passed ") == len(paths)


def test_all_manifests_but_the_example_are_applied() -> None:
    assert set(KUSTOMIZATION["resources"]) == set(RESOURCES) - {"secret.example.yaml"}
    assert {image["name"] for image in KUSTOMIZATION["images"]} == {APP["image"]}


def test_selectors_match_the_application_pods_only() -> None:
    labels = BY_KIND["Deployment"]["spec"]["template"]["metadata"]["labels"]
    job = BY_KIND["Job"]["spec"]["template"]["metadata"]["labels"]
    for selector in (
        BY_KIND["Deployment"]["spec"]["selector"]["matchLabels"],
        BY_KIND["Service"]["spec"]["selector"],
        BY_KIND["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
        assert not selector.items() <= job.items()
    target = BY_KIND["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", BY_KIND["Deployment"]["metadata"]["name"])
    backend = BY_KIND["Ingress"]["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    assert backend["name"] == BY_KIND["Service"]["metadata"]["name"]
    assert backend["port"]["name"] in {port["name"] for port in BY_KIND["Service"]["spec"]["ports"]}
    assert BY_KIND["Service"]["spec"]["ports"][0]["targetPort"] in {port["name"] for port in APP["ports"]}
    claims = {volume["persistentVolumeClaim"]["claimName"] for volume in POD["volumes"] if "persistentVolumeClaim" in volume}
    assert claims == {BY_KIND["PersistentVolumeClaim"]["metadata"]["name"]}


def test_rollout_starts_the_new_version_first_and_drains_requests() -> None:
    rolling = BY_KIND["Deployment"]["spec"]["strategy"]["rollingUpdate"]
    assert rolling == {"maxSurge": 1, "maxUnavailable": 0}
    assert APP["startupProbe"]["httpGet"]["path"] == APP["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert APP["livenessProbe"]["httpGet"]["path"] == "/healthz", "a database that is gone is no reason to restart"
    pause = int(APP["lifecycle"]["preStop"]["exec"]["command"][1])
    assert POD["terminationGracePeriodSeconds"] > pause + GRACEFUL_SHUTDOWN_TIMEOUT
    assert BY_KIND["HorizontalPodAutoscaler"]["spec"]["minReplicas"] > BY_KIND["PodDisruptionBudget"]["spec"]["maxUnavailable"]


def test_configuration_and_secret_are_valid_settings() -> None:
    given = BY_KIND["ConfigMap"]["data"] | BY_KIND["Secret"]["stringData"]
    known = {name.upper() for name in Settings.model_fields}
    assert set(given) - known == {"WEB_CONCURRENCY"}
    values = {name.lower(): value for name, value in given.items() if name in known}
    with pytest.raises(ValidationError, match="SECRET_KEY: too weak") as refused:
        make_settings(**values | {"metrics_token": None})
    with pytest.raises(ValidationError, match="metrics_token\n"):
        make_settings(**values)
    assert refused.value.error_count() == 1, "nothing else is wrong with the examples"
    own = {"secret_key": "x0123456789abcdefghijklmnopqrstuvwxyz", "metrics_token": "scrape-scrape-scrape"}
    settings = make_settings(**values | own)
    assert settings.is_https
    assert str(settings.media_dir) in {mount["mountPath"] for mount in APP["volumeMounts"]}
    assert BY_KIND["Ingress"]["spec"]["rules"][0]["host"] in settings.allowed_hosts
    size = BY_KIND["Ingress"]["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-body-size"]
    assert int(size.removesuffix("m")) * 2**20 >= settings.max_upload_bytes


@pytest.mark.parametrize("kind", ["Deployment", "Job"])
def test_pods_meet_the_restricted_standard_of_their_namespace(kind: str) -> None:
    spec = BY_KIND[kind]["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in spec["containers"]:
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        user = matching.search(r"^USER (\d+)", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
        assert spec["securityContext"]["runAsUser"] == int(user[1])
