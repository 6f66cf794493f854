"""docker/env.example names every setting that the site reads from its environment, and no other."""

import ast
import re
from pathlib import Path

from labeling.server.secret_files import SECRETS

ROOT = Path(__file__).resolve().parents[2]
NAME = re.compile(r"[A-Z][A-Z0-9_]{2,}")
LISTED = re.compile(r"^(?:# )?([A-Z][A-Z0-9_]{2,})=", re.MULTILINE)
READERS = {"required", "flag", "number", "words", "networks", "get", "secret", "web_address"}
# Read, and no setting of somebody who keeps a server.
NOT_LISTED = {
    "BOXWISE_PROCESS": "which process this is; set by whoever starts it",
    "BOXWISE_DATA_DIR": "of `boxwise up`; the images have /data",
    "WORKER_TASKS": "set in compose.yml, by worker",
    "STATIC_ROOT": "set in the image",
    "HOST": "of `boxwise up`",
    "PORT": "of `boxwise up`",
    "PLAIN_HTTP": "of `boxwise up`; behind a proxy BEHIND_PROXY says it",
    "TORCH": "of `boxwise setup`",
    "PIP_CERT": "of `boxwise setup`",
    "SSL_CERT_FILE": "of `boxwise setup`",
    "UV_INDEX_URL": "of `boxwise setup`",
    "PATH": "of the system",
    "PGDATABASE": "set for pg_dump",
    **dict.fromkeys(
        (
            "BACKUP_BEFORE_MIGRATING",
            "BACKUP_DIR",
            "BACKUP_EVERY_HOURS",
            "BACKUP_KEEP_DAYS",
            "BACKUP_RECIPIENT",
            "BACKUP_WHOLE_DAYS",
        ),
        "of `boxwise up`; containers have the backup of their database",
    ),
    "LD_LIBRARY_PATH": "of the system",
    "REMOTE_ADDR": "of a request",
    "REMOTE_PORT": "of a request",
    "CONTENT_LENGTH": "of a request",
}


def names_read(source: str) -> set[str]:
    """Upper-case texts that are given to a reader of the environment or stand in os.environ[...]."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and node.args:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            given = node.args[0] if called in READERS else None
        elif isinstance(node, ast.Subscript) and "environ" in ast.unparse(node.value):
            given = node.slice
        else:
            continue
        if isinstance(given, ast.Constant) and isinstance(given.value, str) and NAME.fullmatch(given.value):
            found.add(given.value)
    return found


def all_names_read() -> set[str]:
    found = set(SECRETS)
    for path in [ROOT / "labeling/settings.py", *sorted((ROOT / "labeling/server").rglob("*.py"))]:
        found |= names_read(path.read_text())
    return found


def test_every_setting_is_listed_and_nothing_else():
    read = all_names_read()
    listed = set(LISTED.findall((ROOT / "docker/env.example").read_text()))
    assert sorted(read - listed - NOT_LISTED.keys()) == [], "read and not listed"
    assert sorted(listed - read) == [], "listed and read by nothing"
    assert sorted(NOT_LISTED.keys() - read) == [] and not listed & NOT_LISTED.keys()


def test_the_reader_of_sources_finds_each_way_to_read():
    source = "number('A_B', 1); os.environ.get('C_D'); environ['E_F']; flag('lower'); other('G_H')"
    assert names_read(source) == {"A_B", "C_D", "E_F"}
