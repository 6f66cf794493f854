"""What is made from the contracts and kept in the repository is up to date: the schema, and the browser's types."""

import shutil
import subprocess
from pathlib import Path

import pytest
from django.conf import settings
from django.urls import reverse

from labeling.contract import contract_of
from labeling.schema import VERBS, described_routes, openapi, openapi_text
from tests.factories import UserFactory

ROOT = Path(settings.BASE_DIR)


def test_the_kept_schema_is_that_of_the_code():
    assert (ROOT / "docs" / "openapi.json").read_text() == openapi_text(), "run: manage schema, then npm run types"


def test_the_browser_s_types_are_those_of_the_schema(tmp_path):
    made = tmp_path / "schema.ts"
    frontend = ROOT / "frontend"
    node = shutil.which("node", path=str(ROOT / ".venv" / "bin"))
    assert node is not None
    command = [node, "node_modules/openapi-typescript/bin/cli.js", "../docs/openapi.json"]
    subprocess.run([*command, "--default-non-nullable=false", "-o", str(made)], cwd=frontend, check=True, timeout=120)
    config = ["--config", ".prettierrc.json"] if (frontend / ".prettierrc.json").exists() else []
    subprocess.run(
        [node, "node_modules/prettier/bin/prettier.cjs", *config, "--write", str(made)],
        cwd=frontend, check=True, timeout=120,
    )  # fmt: skip
    assert made.read_text() == (frontend / "api" / "schema.ts").read_text(), "run: npm run types"


def test_every_method_of_every_route_has_a_contract():
    without = [
        f"{verb} {route.name}"
        for _address, route in described_routes()
        for verb in VERBS
        if (method := getattr(route.callback.cls, verb, None)) is not None and contract_of(method) is None
    ]
    assert without == []


def test_names_are_given_once():
    """Two models of one name would get long names of their modules, which nobody can read in the browser."""
    assert [name for name in openapi()["components"]["schemas"] if "__" in name] == []
    ids = [one["operationId"] for verbs in openapi()["paths"].values() for one in verbs.values()]
    assert len(ids) == len(set(ids))


def test_nothing_that_is_sent_takes_unknown_fields():
    loose = []
    for name, schema in openapi()["components"]["schemas"].items():
        sent = name.endswith(("Body", "In", "Form", "Change", "Start", "Changes"))
        if sent and schema.get("additionalProperties") is not False:
            loose.append(name)
    assert loose == ["ButtonForm"]  # a button inside a form of facts, all of which a browser sends along


@pytest.mark.django_db
def test_the_schema_is_served(client):
    client.force_login(UserFactory())
    answer = client.get(reverse("schema"))
    assert answer.status_code == 200 and answer.json()["openapi"].startswith("3.1")
