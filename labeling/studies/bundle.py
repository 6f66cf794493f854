"""A study as one signed file: protocol, allocation, raw tables, numbers; and recomputing the numbers from it alone.

No Django: whoever has the file and Boxwise's code can recompute every number of the report.
"""

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from labeling.studies.analysis import report
from labeling.studies.analysis.fields import Tables
from labeling.studies.protocol.declared import DEFINITION
from labeling.studies.protocol.documents import AmendmentEntry, FrozenProtocol, Numbers, Protocol
from labeling.studies.signing import public_key

FORMAT = 3  # 2: sittings of two parts, readers, registration. 3: files for R, RO-Crate metadata
# Parts of the numbers that are computed otherwise since a format, without a change of the definition: none decides.
REPLACED = {3: ("mixed",)}  # random fields and Satterthwaite's degrees of freedom
# Parts of the numbers that mean the same whatever the definition of the comparison: the measurement itself.
SAME_IN_EVERY_DEFINITION = ("rules", "training_s", "checks", "fields")
DICTIONARY: dict[str, dict[str, str]] = {
    "items": {
        "item": "pseudonym of the reader and place in their sequence",
        "participant": "pseudonym of the reader",
        "position": "place in the reader's sequence, from 1",
        "sequence": "order of the arms, by letter",
        "period": "from 0; a second reading has the period after the last",
        "arm": "name of the arm",
        "field": "number of the field",
        "training": "practice, does not count",
        "repeat": "second reading, of a flipped view",
        "state": "planned, open, done or skipped (practice that was not needed)",
        "opened_at": "server's clock, ISO 8601; see readers, shares_times",
        "done_at": "server's clock, ISO 8601",
        "excluded": "reason, empty when none",
        "withdrawn": "the reader withdrew, and the raw data are removed",
        "reference_cells": "cells of the field's reference",
        "width": "of the field, px",
        "height": "of the field, px",
        "part": "empty, or which sitting of an arm in which masks are made from own boxes: boxes, verify",
        "machine_s": "of a second sitting: seconds that the machine took for its masks, in no other time",
    },
    "readers": {
        "participant": "pseudonym",
        "consented": "agreed to take part",
        "declined": "read the consent text and did not take part",
        "withdrawn": "agreed, and withdrew later",
        "profession": "as the reader said, empty when not",
        "experience_years": "in pathology, as the reader said, empty when not",
        "shares_times": "agreed that clock times and reasons stand here; otherwise clock times of this reader count "
        "from the opening of the first item, which is 1970-01-01, and no reason is given",
        "input_ms": "median time from an input to its handling, as the calibration page measured it; empty when not",
        "frame_ms": "median time between two frames of the screen, likewise",
    },
    "sittings": {
        "item": "see items",
        "begun_at": "server's clock",
        "ended_at": "server's clock, empty while open",
        "end": "pause, done, or lost (nobody ended it: a crash)",
    },
    "batches": {
        "item": "see items",
        "participant": "see items",
        "session": "one opening of the page",
        "first": "number of the first event",
        "count": "events",
        "wall_ms": "browser's wall clock, ms since 1970, at mono_ms",
        "mono_ms": "browser's monotonic clock, ms",
        "received_at": "server's clock, ISO 8601",
    },
    "events": {
        "session": "see batches",
        "n": "number in the session, from 0, gapless unless lost",
        "t_ms": "monotonic clock, ms since the page was asked for",
        "kind": "what happened",
        "data": "JSON: command of a key, cell of a target, corners of a viewport in image px; never typed text",
    },
    "operations": {
        "item": "see items",
        "participant": "see items",
        "session": "see batches",
        "seq": "place in the log of the layer",
        "action": "what was done",
        "tool": "with which tool",
        "cell": "to which cell",
        "proposal": "the proposal decided on, or empty",
        "begun_ms": "monotonic clock, ms",
        "committed_ms": "monotonic clock, ms",
        "activity_first": "number of the first event it rests on",
        "activity_last": "number of the last one",
        "received_at": "server's clock, ISO 8601",
    },
    "cells": {
        "item": "see items",
        "cell": "name",
        "x0": "box, image px, half-open",
        "y0": "",
        "x1": "",
        "y1": "",
        "x": "left of the mask's box, px",
        "y": "top",
        "width": "px, 0 without a mask",
        "height": "px",
        "bits": "base64 of the packed mask, row by row, first pixel in the highest bit; empty without a mask",
    },
    "reference_cells": {
        "field": "number of the field",
        "number": "in the label map",
        "x": "px",
        "y": "px",
        "width": "px",
        "height": "px",
        "bits": "as in cells",
    },
    "outside": {
        "arm": "name of an arm that was read in another program; described, never tested",
        "tool": "which program",
        "field": "number of the field",
        "file": "its file",
        "cells": "drawn",
        "left_out": "shapes without an inside",
        "saved_at": "when the file was last written, ISO 8601; only differences mean anything",
    },
    "outside_cells": {
        "arm": "see outside",
        "field": "number of the field",
        "x": "px",
        "y": "px",
        "width": "px",
        "height": "px",
        "bits": "as in cells",
    },
}


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
) -> bytes:
    """The bundle, a zip. protocol: as amended; frozen: as it was hashed. removed: what can no longer be recomputed;
    registered: frozen_at and locked_at, ISO 8601."""
    files: dict[str, bytes] = {
        "protocol.json": _json(frozen),
        "protocol_as_amended.json": _json(protocol),
        "amendments.json": _json(amendments),
        "allocation.csv": pd.DataFrame(frozen["allocation"]).to_csv(index=False).encode(),
        "dictionary.json": _json(DICTIONARY),
        "numbers.json": _json(report.compute(tables, protocol)),
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
    for name, table in tables.items():
        stored = _stored(name, table)
        parquet = io.BytesIO()
        stored.to_parquet(parquet, index=False)
        files[f"tables/{name}.parquet"] = parquet.getvalue()
        files[f"tables/{name}.csv"] = stored.to_csv(index=False).encode()
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
        differences += _differences(part, then.get(part), now)
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


def _differences(place: str, then: Any, now: Any) -> Any:
    if isinstance(then, dict) and isinstance(now, dict):
        for name in sorted({*then, *now}):
            yield from _differences(f"{place}.{name}" if place else name, then.get(name), now.get(name))
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for i, (a, b) in enumerate(zip(then, now, strict=True)):
            yield from _differences(f"{place}[{i}]", a, b)
    elif then != now:
        yield f"{place}: {then} then, {now} now"
