"""A study as one signed file: protocol, allocation, raw tables, numbers; and recomputing the numbers from it alone.

No Django: whoever has the file and Boxwise's code can recompute every number of the report.
"""

import base64
import hashlib
import io
import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from labeling.studies import checklists, crate, for_r
from labeling.studies.analysis import report
from labeling.studies.analysis.fields import Tables
from labeling.studies.dictionary import DICTIONARY
from labeling.studies.protocol.declared import DEFINITION
from labeling.studies.protocol.documents import AmendmentEntry, FrozenProtocol, Numbers, Protocol
from labeling.studies.signing import public_key

FORMAT = 4  # 2: sittings of two parts, readers. 3: files for R, RO-Crate. 4: timing of outside arms, time stamp
# Parts of the numbers that are computed otherwise since a format, without a change of the definition: none decides.
REPLACED = {3: ("mixed",)}  # random fields and Satterthwaite's degrees of freedom
# Parts whose numbers end a search, whose last digits are those of the machine: compared to this share of each.
SEARCHED = {"mixed": 1e-4}
# Parts of the numbers that mean the same whatever the definition of the comparison: the measurement itself.
SAME_IN_EVERY_DEFINITION = ("rules", "training_s", "checks", "fields")


class BadBundle(ValueError):
    """The file is no bundle, or somebody changed it."""


def write(
    *,
    tables: Tables,
    protocol: Protocol,
    frozen: FrozenProtocol,
    frozen_sha256: str,
    amendments: list[AmendmentEntry],
    removed: list[str],
    registered: Mapping[str, str | None],
    key: Ed25519PrivateKey,
    stamp: bytes | None = None,
    registration: str = "",
) -> bytes:
    """The bundle, a zip. protocol: as amended; frozen: as it was hashed. removed: what can no longer be recomputed;
    registered: frozen_at, locked_at, stamped_at (ISO 8601) and stamped_by. stamp: RFC 3161 token of frozen_sha256.
    registration: the text for a public registry."""
    numbers = report.compute(tables, protocol)
    checklists_text = checklists.markdown(protocol, numbers, sha256=frozen_sha256, registered=registered)
    files: dict[str, bytes] = {
        "protocol.json": _json(frozen),
        "protocol_as_amended.json": _json(protocol),
        "amendments.json": _json(amendments),
        "allocation.csv": pd.DataFrame(frozen["allocation"]).to_csv(index=False).encode(),
        "dictionary.json": _json(DICTIONARY),
        "numbers.json": _json(numbers),
        "checklists.md": checklists_text.encode(),
        **for_r.files(numbers),
        "about.json": _json(
            {
                "format": FORMAT,
                "definition": DEFINITION,
                "protocol_sha256": frozen_sha256,
                "code": code_version(),
                "public_key": public_key(key),
                "recompute": "boxwise study recompute BUNDLE.zip",
                "not_recomputable": removed,
                **registered,
            }
        ),
    }
    if stamp is not None:
        files["protocol.tst"] = stamp
    if registration:
        files["registration.md"] = registration.encode()
    for name, table in tables.items():
        stored = _stored(name, table)
        parquet = io.BytesIO()
        stored.to_parquet(parquet, index=False)
        files[f"tables/{name}.parquet"] = parquet.getvalue()
        files[f"tables/{name}.csv"] = stored.to_csv(index=False).encode()
    described = crate.metadata(
        frozen, sha256=frozen_sha256, registered=registered, paths=list(files), code=code_version()
    )
    files["ro-crate-metadata.json"] = _json(described)
    manifest = "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files)).encode()
    files["SHA256SUMS"] = manifest
    files["SHA256SUMS.ed25519"] = base64.b64encode(key.sign(manifest)) + b"\n"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), files[name], zipfile.ZIP_DEFLATED)
    return out.getvalue()


@dataclass(frozen=True)
class Recomputed:
    """numbers as computed now; `differences` names every one that is not what the bundle says (empty: identical).

    `replaced` are parts that this version computes otherwise (REPLACED).
    `added` are numbers that a bundle of an older format does not have, so that there is nothing to hold them against.

    A bundle of another definition of the analysis (estimands.DEFINITION) has other comparisons by intent. Of such a one
    only the parts in SAME_IN_EVERY_DEFINITION are held against it; `redefined` names the others.
    """

    numbers: Numbers
    differences: list[str]
    public_key: str
    code_then: str
    code_now: str
    definition_then: int
    redefined: list[str]
    added: list[str]
    replaced: list[str]


def recompute(path: Path, expected_key: str | None = None) -> Recomputed:
    """Check the signature and every file, then compute all numbers again from the raw tables.

    expected_key   the server's public key from its study page; without it the file only proves that it is whole
    Raises BadBundle.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        about = json.loads(files["about.json"])
        manifest = files["SHA256SUMS"]
        Ed25519PublicKey.from_public_bytes(base64.b64decode(about["public_key"])).verify(
            base64.b64decode(files["SHA256SUMS.ed25519"]), manifest
        )
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise BadBundle(f"{path} is no study bundle: {error}") from error
    except InvalidSignature:
        raise BadBundle("the signature does not fit: the list of files was changed") from None
    if expected_key is not None and about["public_key"] != expected_key:
        raise BadBundle("the bundle was signed by another server")
    lines = (line.partition("  ") for line in manifest.decode().splitlines())
    listed = {name: sha256 for sha256, _, name in lines}
    for name in sorted({*listed, *files} - {"SHA256SUMS", "SHA256SUMS.ed25519"}):
        if name not in files or name not in listed or hashlib.sha256(files[name]).hexdigest() != listed[name]:
            raise BadBundle(f"{name} is not as it was signed")
    # A bundle of an older version has fewer tables.
    tables = {
        name: _read(name, files[place])
        if (place := f"tables/{name}.parquet") in files
        else pd.DataFrame(columns=[*columns])
        for name, columns in DICTIONARY.items()
    }
    numbers = report.compute(tables, json.loads(files["protocol_as_amended.json"]))
    then = json.loads(files["numbers.json"])
    definition = about.get("definition", 1)
    added: list[str] = []
    redefined = [] if definition == DEFINITION else sorted({*then, *numbers} - set(SAME_IN_EVERY_DEFINITION))
    if about.get("format", 1) < FORMAT:
        added = sorted(set(numbers) - set(then))
        redefined = sorted(set(redefined) - set(added))
    replaced = _replaced(about.get("format", 1)) if not redefined else []
    compared = sorted({*then, *numbers} - set(redefined) - set(added) - set(replaced))
    differences: list[str] = []
    for part in compared:
        now = numbers.get(part)
        if part == "fields" and redefined:
            now = _columns_of(then.get(part), now)
        elif about.get("format", 1) < FORMAT:
            now = _as_then(then.get(part), now)
        differences += _differences(part, then.get(part), now, SEARCHED.get(part, 0.0))
    versions = about["code"], code_version()
    return Recomputed(numbers, differences, about["public_key"], *versions, definition, redefined, added, replaced)


def _replaced(then: int) -> list[str]:
    """Parts that are computed otherwise than in a bundle of this format."""
    found: set[str] = set()
    for since, parts in REPLACED.items():
        found.update(parts if then < since else ())
    return sorted(found)


def _as_then(then: Any, now: Any) -> Any:
    """`now` without what an older format did not have: names of objects that are new."""
    if isinstance(then, dict) and isinstance(now, dict):
        return {name: _as_then(then[name], value) for name, value in now.items() if name in then}
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        return [_as_then(old, new) for old, new in zip(then, now, strict=True)]
    return now


def _columns_of(then: Any, now: Any) -> Any:
    """The rows of now with the columns that the rows of then have; whether a field counts was defined otherwise."""
    if not (isinstance(then, list) and isinstance(now, list) and len(then) == len(now)):
        return now
    judged = {"dice", "pq", "counts", "why_not", "position"}
    rows = []
    for old, new in zip(then, now, strict=True):
        rows.append({name: old[name] if name in judged else new.get(name) for name in old})
    return rows


def code_version() -> str:
    """The package's version and a hash over the sources of the analysis: the same means computed alike."""
    digest = hashlib.sha256()
    for file in sorted(Path(report.__file__).parent.glob("*.py")):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    try:
        package = version("boxwise")
    except PackageNotFoundError:  # run from a checkout
        package = "checkout"
    return f"boxwise {package}, analysis {digest.hexdigest()[:16]}"


def _stored(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """In the columns and order of the dictionary; an event's data as JSON text."""
    if name == "events":
        table = table.assign(
            data=[json.dumps(d, separators=(",", ":")) if d is not None else "" for d in table["data"]]
        )
    return table[list(DICTIONARY[name])]


def _read(name: str, content: bytes) -> pd.DataFrame:
    table = pd.read_parquet(io.BytesIO(content))
    if name == "events":
        table["data"] = pd.Series(
            [json.loads(d) if d else None for d in table["data"]], dtype=object, index=table.index
        )
    return table


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False).encode() + b"\n"


def _differences(place: str, then: Any, now: Any, tolerance: float = 0.0) -> Any:
    """The places at which two parts are not the same; tolerance: a share of each number."""
    if isinstance(then, dict) and isinstance(now, dict):
        for name in sorted({*then, *now}):
            yield from _differences(f"{place}.{name}" if place else name, then.get(name), now.get(name), tolerance)
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for i, (a, b) in enumerate(zip(then, now, strict=True)):
            yield from _differences(f"{place}[{i}]", a, b, tolerance)
    elif tolerance and isinstance(then, float) and isinstance(now, float):
        if not math.isclose(then, now, rel_tol=tolerance, abs_tol=1e-12):
            yield f"{place}: {then} then, {now} now"
    elif then != now:
        yield f"{place}: {then} then, {now} now"
