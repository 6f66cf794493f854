"""What a bundle says about itself as RO-Crate 1.1 (https://w3id.org/ro/crate/1.1): ro-crate-metadata.json."""

from collections.abc import Mapping, Sequence

from inference.documents.base import JsonObject, JsonValue
from labeling.studies.protocol.documents import FrozenProtocol

TYPES = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".md": "text/markdown",
    ".parquet": "application/vnd.apache.parquet",
    ".R": "text/x-r-source",
    ".tst": "application/timestamped-data",
}
ABOUT = {
    "protocol.json": "The protocol as it was frozen and hashed",
    "protocol_as_amended.json": "The protocol with its amendments",
    "amendments.json": "What was amended, when and why",
    "allocation.csv": "Which reader reads which field when",
    "dictionary.json": "What each column of the raw tables means",
    "numbers.json": "Every number of the report",
    "checklists.md": "Reporting checklists, filled where the data know the answer",
    "protocol.tst": "Time stamp (RFC 3161 token) of the protocol's SHA-256",
    "registration.md": "The protocol as a text for a public registry",
    "r/fields.csv": "One row for each opened field, long format",
    "r/plan.csv": "What the protocol declares of the analysis",
    "r/expected.csv": "The primary numbers of the report",
    "r/primary.R": "Computes the primary numbers again with R",
}


def metadata(
    protocol: FrozenProtocol,
    *,
    sha256: str,
    registered: Mapping[str, str | None],
    paths: Sequence[str],
    code: str,
) -> JsonObject:
    """paths: of the files in the bundle. The date is that of the lock, before it that of the freezing."""
    parts: list[JsonValue] = [{"@id": path} for path in sorted(paths)]
    root: JsonObject = {
        "@id": "./",
        "@type": "Dataset",
        "name": protocol["name"],
        "description": protocol["hypothesis"] or protocol["name"],
        "identifier": f"sha256:{sha256}",
        "datePublished": registered.get("locked_at") or registered.get("frozen_at") or "",
        "license": (
            "Not stated here. What readers agreed to stands in protocol.json, consent_text; ask the contact that is "
            "named there."
        ),
        "publisher": {"@id": "#controller"},
        "hasPart": parts,
    }
    descriptor: JsonObject = {
        "@id": "ro-crate-metadata.json",
        "@type": "CreativeWork",
        "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
        "about": {"@id": "./"},
    }
    controller: JsonObject = {
        "@id": "#controller",
        "@type": "Organization",
        "name": protocol.get("controller", ""),
        "description": f"Contact: {protocol.get('contact', '') or 'not stated'}",
    }
    software: JsonObject = {"@id": "#software", "@type": "SoftwareApplication", "name": "Boxwise", "version": code}
    computed: JsonObject = {
        "@id": "#analysis",
        "@type": "CreateAction",
        "name": "The numbers were computed from the raw tables and the protocol",
        "instrument": {"@id": "#software"},
        "object": {"@id": "protocol_as_amended.json"},
        "result": {"@id": "numbers.json"},
    }
    described = [_file(path) for path in sorted(paths)]
    return {
        "@context": "https://w3id.org/ro/crate/1.1/context",
        "@graph": [descriptor, root, controller, software, computed, *described],
    }


def _file(path: str) -> JsonObject:
    suffix = f".{path.rpartition('.')[2]}"
    about = ABOUT.get(path)
    if about is None:
        kind = "Scores in the layout of iMRMC" if path.startswith("r/imrmc") else "Raw table, see dictionary.json"
        about = f"{kind}: {path.rpartition('/')[2].partition('.')[0]}"
    return {
        "@id": path,
        "@type": "File",
        "name": about,
        "encodingFormat": TYPES.get(suffix, "application/octet-stream"),
    }
