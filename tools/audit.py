"""python -m tools.audit: known vulnerabilities of what Boxwise installs, and secrets in the tracked files.

The advisories live elsewhere (api.osv.dev for Python, npm's registry for TypeScript). Where a machine cannot reach
them, a sentence says so and the audit passes: nothing was found because nothing was asked. The scan for secrets needs
no network. It fails on what tools/secrets.json does not list; `--accept` writes what it finds into that file, for
whoever has looked at each of them.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detect_secrets import SecretsCollection
from detect_secrets.core import baseline
from detect_secrets.settings import configure_settings_from_baseline

ROOT = Path(__file__).resolve().parents[1]
KNOWN_SECRETS = ROOT / "tools" / "secrets.json"
# Advisories that were read and do not concern Boxwise: identifier -> why.
ACCEPTED: dict[str, str] = {}
SECONDS = 15  # for one answer of a database; the machine may be offline
# What pip-audit prints when a database could not be asked, and not that it answered.
NO_ANSWER = ("requests.exceptions.", "ServiceError", "Could not connect", "Connection", "timed out")
# Files of hashes, which look like keys and change with every change of a stage.
HASHES = frozenset({"tests/inference/stage_sources.json"})
# Tests sign in with passwords of their own and give them in addresses.
WRITTEN_FOR_TESTS = {"Secret Keyword", "Basic Auth Credentials"}


@dataclass(frozen=True)
class Found:
    """bad: sentences that fail the audit. said: what else a reader should know."""

    bad: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def python_packages(root: Path = ROOT) -> Found:
    """What requirements.lock installs, asked of OSV by pip-audit."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        options = ["--disable-pip", "--vulnerability-service", "osv", "--timeout", str(SECONDS)]
        output = ["--format", "json", "--output", str(answer), "--progress-spinner", "off"]
        command = [sys.executable, "-m", "pip_audit", "-r", str(root / "requirements.lock"), *options, *output]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.exists():
            return judge_python(json.loads(answer.read_text(encoding="utf-8")))
    reason = (run.stderr.strip().splitlines() or ["it said nothing"])[-1]
    if any(sign in run.stderr for sign in NO_ANSWER):
        return Found(notes=[f"Python packages were not audited: api.osv.dev did not answer ({reason[:200]})."])
    return Found(bad=[f"pip-audit failed, so Python packages were not audited: {reason}"])


def judge_python(answer: dict[str, Any]) -> Found:
    """A vulnerability fails the audit when a release without it is there; else it is only said."""
    found = Found()
    for package in answer["dependencies"]:
        for one in package.get("vulns", []):
            names = {one["id"], *one.get("aliases", [])}
            if names & ACCEPTED.keys():
                continue
            sentence = f"{package['name']} {package['version']} has {one['id']}"
            if one["fix_versions"]:
                found.bad.append(f"{sentence}; {' or '.join(one['fix_versions'])} mends it. Compile the lock again.")
            else:
                found.notes.append(f"{sentence}; no release mends it yet.")
    if not found.bad and not found.notes:
        found.notes.append(f"{len(answer['dependencies'])} Python packages have no known vulnerability.")
    return found


def javascript_packages(root: Path = ROOT) -> Found:
    """What frontend/package-lock.json installs, asked of npm's registry."""
    patience = [f"--fetch-timeout={SECONDS * 1000}", "--fetch-retries=0"]
    npm = str(Path(sys.executable).parent / "npm")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    try:
        run = subprocess.run(
            [npm, "audit", "--json", *patience],
            cwd=root / "frontend",
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        answer = json.loads(run.stdout)
    except (OSError, json.JSONDecodeError) as error:
        return Found(bad=[f"npm audit failed, so JavaScript packages were not audited: {error}"])
    return judge_javascript(answer)


def judge_javascript(answer: dict[str, Any]) -> Found:
    """As judge_python; npm says "fixAvailable" of each."""
    if "vulnerabilities" not in answer:
        reason = str(answer.get("message") or answer.get("error") or answer)[:200]
        return Found(notes=[f"JavaScript packages were not audited: the registry gave no advisories ({reason})."])
    found = Found()
    for name, one in sorted(answer["vulnerabilities"].items()):
        sentence = f"npm package {name} {one['range']}: {one['severity']} vulnerability"
        if one["fixAvailable"]:
            found.bad.append(f"{sentence}; run npm audit fix in frontend/.")
        else:
            found.notes.append(f"{sentence}; no release mends it yet.")
    if not found.bad and not found.notes:
        found.notes.append("No JavaScript package has a known vulnerability.")
    return found


def secrets(root: Path = ROOT, known_in: Path = KNOWN_SECRETS, *, accept: bool = False) -> Found:
    """What looks like a secret in the tracked files and is not listed in `known_in`."""
    recorded = baseline.load_from_file(str(known_in))
    configure_settings_from_baseline(recorded)
    known = baseline.load(recorded)
    command = ["git", "ls-files"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    files = [name for name in listed.splitlines() if (root / name).is_file() and name not in HASHES]
    found = SecretsCollection()
    with contextlib.chdir(root):  # names as git gives them: the list serves every checkout
        found.scan_files(*files)
    found.data = {name: {one for one in ones if not _of_a_test(name, one.type)} for name, ones in found.data.items()}
    if accept:
        text = json.dumps(baseline.format_for_output(found, is_slim_mode=True), indent=2, sort_keys=True)
        known_in.write_text(text + "\n", encoding="utf-8")
        return Found(
            notes=[f"{known_in.name} lists {sum(map(len, found.data.values()))} findings that are no secrets."]
        )
    new = [
        f"{name}:{one.line_number} looks like a secret ({one.type}). Take it out and renew it; if it is none, run "
        "python -m tools.audit --accept."
        for name, one in found - known
    ]
    return Found(bad=new, notes=[] if new else [f"No secret in {len(files)} tracked files."])


def _of_a_test(name: str, kind: str) -> bool:
    return name.startswith("tests/") and kind in WRITTEN_FOR_TESTS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.audit", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--accept", action="store_true", help="list what looks like a secret today as none")
    if parser.parse_args().accept:
        results = [secrets(accept=True)]
    else:
        results = [secrets(), python_packages(), javascript_packages()]
    for result in results:
        for sentence in result.notes:
            print(sentence)
        for sentence in result.bad:
            print(sentence, file=sys.stderr)
    return 1 if any(result.bad for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
