"""Databases as earlier versions left them open in this one: migrated to the newest tables, every page and address.

The dumps and the script that made them are in tests/labeling/dumps. What a dump has in it, it has for ever: a test that
fails here says that a table, a stored document or a file of an existing installation is no longer understood.
"""

import gzip
import json
import os
import re
import subprocess
import sys
import uuid
import zipfile
from pathlib import Path

import pytest

from labeling.server.postgres import program
from tests.embedded import EMBEDDED

DUMPS = Path(__file__).parent / "dumps"
NAMES = sorted(path.name.removesuffix(".sql.gz") for path in DUMPS.glob("*.sql.gz"))
ROOT = Path(__file__).resolve().parents[2]


def sql(database: str, *arguments: str, given: bytes = b"") -> str:
    command = [program("psql"), "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", EMBEDDED.database.url_of(database)]
    done = subprocess.run([*command, *arguments], input=given, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def environment_of(database: str, folder: Path) -> dict[str, str]:
    """Of a process that opens a database, with its files and data in a folder."""
    return os.environ | {
        "DATABASE_URL": EMBEDDED.database.url_of(database),
        "STORAGE_URL": f"file://{folder}/files",
        "BOXWISE_DATA_DIR": str(folder),
        "DJANGO_SETTINGS_MODULE": "tests.labeling.dumps.settings",
    }


def filled_tables(dump: str) -> list[str]:
    """The tables of Boxwise that have a row in a dump: their COPY does not end at once."""
    return re.findall(r"^COPY public\.(labeling_\w+) .*;\n(?!\\\.)", dump, re.MULTILINE)


@pytest.fixture(scope="module", params=NAMES)
def opened(request, embedded_postgres, embedded_valkey, tmp_path_factory):
    """What tests/labeling/dumps/opened.py found in the dump, loaded into a database of its own."""
    database = f"old_{uuid.uuid4().hex[:12]}"
    folder = tmp_path_factory.mktemp("old")
    sql("postgres", "-c", f"CREATE DATABASE {database}")
    try:
        dump = gzip.decompress((DUMPS / f"{request.param}.sql.gz").read_bytes())
        sql(database, given=dump)
        with zipfile.ZipFile(DUMPS / f"{request.param}.files.zip") as archive:
            archive.extractall(folder / "files")
        environment = environment_of(database, folder)
        command = [sys.executable, "-m", "tests.labeling.dumps.opened"]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        yield json.loads(done.stdout) | {"filled_tables": filled_tables(dump.decode())}
    finally:
        sql("postgres", "-c", f"DROP DATABASE {database} WITH (FORCE)")


# Routes that no row of a dump can answer with a page, and why.
CLOSED = {
    "administration": "nobody of these is an administrator of the site",
    "audit": "nobody of these is an administrator of the site",
    "compare-image": "names no rounds",
    "round-compare": "names no rounds",
    "image-overlay": "names no rounds",
    "layer-heads": "names no annotation",
    "search-names": "names nothing to look for",
    "invitation-join": "no such link",
    "person": "nobody of these is an administrator of the site",
    "mfa_deactivate_totp": "nobody has a second factor",
    "mfa_view_recovery_codes": "nobody has a second factor",
    "openid_connect_callback": "no identity provider is set",
    "image-slide": "no image is a slide",
    "image-consensus": "no image was read twice",
    "gallery-sheet": "names no cell",
    "guideline-picture": "no guidelines have a picture",
    "participation-receipt": "nobody has withdrawn",
    "study-item": "every field has been read",
    "stop-item": "every field has been read",
}


def test_every_page_and_address_answers(opened):
    assert opened["errors"] == []
    assert "home" in opened["routes"] and "image-workspace" in opened["routes"]


def test_every_page_that_can_be_opened_opens(opened):
    """405: the route only takes a POST. All others are answered at least once with what they are for."""
    closed = {
        name: codes for name, codes in opened["routes"].items() if codes != [405] and not {200, 302}.intersection(codes)
    }
    assert closed.keys() == CLOSED.keys(), " ".join(sorted(closed))


def test_the_rows_are_what_the_log_says(opened):
    assert len(opened["differences"]) > 10
    assert [text for texts in opened["differences"].values() for text in texts] == []


def test_stored_documents_are_read(opened):
    assert opened["documents"]
    for found in opened["documents"].values():
        assert found["images"] == 3
        assert len(found["stages"]) >= 7 and all(found["stages"].values())
        assert "per_image" in found["evaluation"]


def test_every_stored_document_is_read_and_written_again_to_the_letter(opened):
    kinds = {
        "RoundConfiguration",
        "Usage",
        "Figures",
        "Certificate",
        "PublicationFacts",
        "facts",
        "protocol",
        "Reading",
    }
    assert kinds <= opened["read"].keys() and all(opened["read"].values())


def test_the_report_of_a_study_is_computed(opened):
    assert opened["report"] and all(len(numbers) > 10 for numbers in opened["report"].values())


def test_no_table_has_lost_its_rows(opened):
    """By number and not by name, because a table may be renamed. A later migration may fill more tables."""
    filled = [name for name, number in opened["rows"].items() if number]
    assert len(filled) >= len(opened["filled_tables"]) > 25
