"""The audit: what fails it, what is only said, and that it says so when nobody could be asked."""

import json
import shutil
import subprocess

import pytest

from tools import audit


def package(*vulnerabilities):
    return {"dependencies": [{"name": "pillow", "version": "9.0.0", "vulns": list(vulnerabilities)}]}


FIXED = {"id": "PYSEC-2023-175", "aliases": ["CVE-2023-4863"], "fix_versions": ["10.0.1"]}


def test_a_vulnerability_with_a_release_that_mends_it_fails_the_audit(monkeypatch):
    (sentence,) = audit.judge_python(package(FIXED)).bad
    assert sentence == "pillow 9.0.0 has PYSEC-2023-175; 10.0.1 mends it. Compile the lock again."
    open_ = audit.judge_python(package(FIXED | {"fix_versions": []}))
    assert open_.bad == [] and "no release mends it yet" in open_.notes[0]
    monkeypatch.setitem(audit.ACCEPTED, "CVE-2023-4863", "Boxwise opens no WebP.")
    assert audit.judge_python(package(FIXED)).bad == []
    assert audit.judge_python(package()).notes == ["1 Python packages have no known vulnerability."]


def test_npm_s_answers(monkeypatch):
    def answer(fix):
        one = {"range": "<1.2", "severity": "high", "fixAvailable": fix}
        return {"auditReportVersion": 2, "vulnerabilities": {"vite": one}}

    assert len(audit.judge_javascript(answer({"name": "vite", "version": "2"})).bad) == 1
    assert audit.judge_javascript(answer(False)).bad == []
    assert audit.judge_javascript({"vulnerabilities": {}}).bad == []
    declined = audit.judge_javascript({"message": "405 Method Not Allowed", "error": {"summary": ""}})
    assert declined.bad == [] and "were not audited" in declined.notes[0] and "405" in declined.notes[0]


@pytest.mark.parametrize(
    ("stderr", "passes"),
    [
        ("requests.exceptions.ConnectionError: Failed to resolve 'api.osv.dev'", True),
        ("ERROR:pip_audit._cli:Could not connect to OSV's vulnerability feed", True),
        ("ERROR:pip_audit._cli:requirements.lock: invalid requirement", False),
        ("", False),
    ],
)
def test_an_audit_that_did_not_happen_is_never_silent(monkeypatch, stderr, passes):
    """Without a network it passes and says so; any other failure is a failure."""

    def run(command, **options):
        return subprocess.CompletedProcess(command, 1, "", stderr)

    monkeypatch.setattr(audit.subprocess, "run", run)
    found = audit.python_packages()
    assert (found.bad == []) == passes
    assert "not audited" in [*found.bad, *found.notes][0]


@pytest.fixture
def tree(tmp_path):
    """A repository without a secret, and a list of none."""
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    known = tmp_path / "known.json"
    known.write_text(json.dumps(json.loads(audit.KNOWN_SECRETS.read_text()) | {"results": {}}))
    return tmp_path, known


def commit(root, name, text):
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_text(text)
    subprocess.run(["git", "add", name], cwd=root, check=True)


# Put together here, so that the scan of this repository does not find them.
SECRETS = {
    "AWS Access Key": "AKIA" + "IOSFODNN7REALKEY",
    "Private Key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "Basic Auth Credentials": "postgresql://boxwise:" + "kX93hdq2@db.hospital.example/boxwise",
}


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_in_a_tracked_file_fails_until_it_is_accepted(tree, kind):
    root, known = tree
    commit(root, "settings.py", f"value = {SECRETS[kind]!r}\n")
    (sentence,) = audit.secrets(root, known).bad
    assert sentence.startswith(f"settings.py:1 looks like a secret ({kind})")
    audit.secrets(root, known, accept=True)
    assert audit.secrets(root, known).bad == []
    commit(root, "settings.py", f"\n\nvalue = {SECRETS[kind]!r}\n")
    assert audit.secrets(root, known).bad == []  # the same one, on another line
    assert SECRETS[kind] not in known.read_text()


def test_the_list_serves_every_checkout(tree, tmp_path_factory):
    root, known = tree
    commit(root, "settings.py", f"value = {SECRETS['AWS Access Key']!r}\n")
    audit.secrets(root, known, accept=True)
    assert str(root) not in known.read_text()
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "checkout"
    shutil.copytree(root, elsewhere)
    assert audit.secrets(elsewhere, elsewhere / known.name).bad == []
    assert str(audit.ROOT) not in audit.KNOWN_SECRETS.read_text()


def test_digests_and_the_passwords_of_tests_are_no_secrets(tree):
    root, known = tree
    commit(root, "catalogue.py", f"sha256 = {'0123456789abcdef' * 4!r}\n")
    commit(root, "tests/test_x.py", "sign_in(password='a long enough " + "password')\n")
    assert audit.secrets(root, known).bad == []
