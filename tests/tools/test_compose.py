"""docker/compose.yml: what each service may do and which secrets it is given; no engine is needed to read that."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from labeling.server.secret_files import SECRETS

DOCKER = Path(__file__).resolve().parents[2] / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_confined_and_its_image_has_a_version(name):
    service = SERVICES[name]
    assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["mem_limit"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert re.search(r":\d+(\.\d+)+$", service.get("image", ":1.0"))


def test_only_the_proxy_is_reached_from_outside():
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert SERVICES["database"]["networks"] == SERVICES["broker"]["networks"] == ["inside"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_names_no_secret_that_it_is_not_given(name):
    service = SERVICES[name]
    given = set(service.get("secrets", []))
    files = [str(value) for key, value in service.get("environment", {}).items() if str(key).endswith("_FILE")]
    assert {Path(path).name for path in files} <= given <= set(COMPOSE["secrets"])
    read = {f"{secret}_FILE" for secret in SECRETS} | {"POSTGRES_PASSWORD_FILE"}
    assert {key for key in service.get("environment", {}) if key.endswith("_FILE")} <= read


def test_only_the_web_process_can_sign():
    assert [name for name, service in SERVICES.items() if "secret_key" in service.get("secrets", [])] == ["web"]


def test_the_script_makes_every_secret_and_changes_none(tmp_path):
    (tmp_path / "make_secrets.sh").write_text((DOCKER / "make_secrets.sh").read_text())
    subprocess.run(["sh", str(tmp_path / "make_secrets.sh")], check=True)
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert made.keys() == COMPOSE["secrets"].keys()
    assert all(len(made[name]) >= 48 for name in ("secret_key", "database_password", "broker_password", "health_token"))
    assert len(set(made.values())) == 5  # the two optional ones are empty
    subprocess.run(["sh", str(tmp_path / "make_secrets.sh")], check=True)
    assert {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()} == made
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
