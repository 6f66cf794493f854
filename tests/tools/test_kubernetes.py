"""docker/kubernetes and docker/alerts.yml: schema, what each container may do, and names that the site really has."""

import json
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.tools.test_compose import SERVICES

DOCKER = Path(__file__).resolve().parents[2] / "docker"
DOCUMENTS: list[dict[str, Any]] = yaml.safe_load((DOCKER / "kubernetes" / "boxwise.yaml").read_text())["items"]
PODS = {
    one["metadata"]["name"]: one["spec"]["template"]["spec"] for one in DOCUMENTS if "template" in one.get("spec", {})
}
ALERTS = yaml.safe_load((DOCKER / "alerts.yml").read_text())["groups"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda one: f"{one['kind']} {one['metadata']['name']}")
def test_each_manifest_keeps_to_the_schema_of_kubernetes(document):
    kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_a_wrong_manifest_is_declined():
    wrong = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {"replica": 2}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("name", PODS)
def test_a_container_is_confined_and_limited(name):
    pod = PODS[name]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    rights = container["securityContext"]
    assert rights["readOnlyRootFilesystem"] and not rights["allowPrivilegeEscalation"]
    assert rights["capabilities"] == {"drop": ["ALL"]}
    assert container["resources"]["limits"]["memory"] and container["resources"]["requests"]["cpu"]
    assert re.search(r":\d+\.\d+\.\d+$", container["image"])


def test_only_the_web_servers_are_given_what_signs():
    secrets = {name: json.dumps(pod["volumes"]) for name, pod in PODS.items()}
    assert [name for name, given in secrets.items() if "boxwise-web" in given] == ["web"]


def test_every_service_of_compose_has_its_part():
    """Under the same command: one that runs in the production test is the one that runs here."""
    parts = {"exports": "files"}
    own = {"database", "broker", "proxy"}  # brought by whoever runs the cluster
    for service in SERVICES.keys() - own:
        (container,) = PODS[parts.get(service, service)]["containers"]
        command = SERVICES[service].get("command")
        assert command is None or container["command"] == command
        process = SERVICES[service]["environment"].get("BOXWISE_PROCESS")
        assert process is None or {"name": "BOXWISE_PROCESS", "value": process} in container["env"]


def test_every_setting_is_one_that_the_site_reads():
    given = next(one["data"] for one in DOCUMENTS if one["kind"] == "ConfigMap")
    listed = (DOCKER / "env.example").read_text()
    known = set(re.findall(r"[A-Z][A-Z_]{3,}", listed)) | {"TMPDIR", "FORWARDED_ALLOW_IPS"}
    assert {name.removesuffix("_FILE") for name in given} <= known


def test_every_alarm_asks_for_a_value_that_metrics_has_and_says_what_to_do():
    metrics = (DOCKER.parent / "labeling" / "upkeep" / "metrics.py").read_text()
    (group,) = ALERTS
    rules = group["rules"]
    for rule in rules:
        names = set(re.findall(r"boxwise_[a-z_]+", rule["expr"]))
        assert names and all(f'"{name}"' in metrics for name in names), rule["alert"]
        assert rule["annotations"]["description"].endswith(".")
    assert len({rule["alert"] for rule in rules}) == len(rules) == 5
