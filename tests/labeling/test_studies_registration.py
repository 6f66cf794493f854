"""A frozen protocol leaves as a text for a registry, and a third party says when its hash was there (RFC 3161)."""

import hashlib
import io
import json
import shutil
import zipfile

import pytest
from asn1crypto import tsp

from labeling.server import environment
from labeling.studies import reporting, time_stamps
from labeling.studies.time_stamps import NoTimeStamp, Response, checked, question_of
from tests.labeling.pages import signed_in, toasts
from tests.labeling.studies import draft, frozen, ten_fields
from tests.labeling.test_studies_pages import address
from tests.labeling.time_stamping import time_stamping

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="the authority of these tests is openssl")
SHA256 = hashlib.sha256(b"a protocol").hexdigest()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    with time_stamping(tmp_path_factory.mktemp("authority")) as found:
        yield found


@pytest.fixture(autouse=True)
def _as_openssl_answers(authority):
    authority.replace = None


@pytest.mark.parametrize("key", ["rsa:2048", "ec -pkeyopt ec_paramgen_curve:P-256"])
def test_a_stamp_is_one_that_openssl_verifies(key, tmp_path):
    with time_stamping(tmp_path, key=key) as authority:
        asked = question_of(SHA256)
        stamp = checked(time_stamps.ask(authority.address, asked.der), asked)
        assert authority.verifies(stamp.token, SHA256)
        assert not authority.verifies(stamp.token, hashlib.sha256(b"another").hexdigest())
    assert asked.der == authority.asked[0] and bytes.fromhex(SHA256) in asked.der
    assert len(asked.der) < 80  # the hash, a number and what they are: nothing else leaves


def test_a_wrong_or_changed_answer_is_declined(authority):
    asked = question_of(SHA256)
    answer = time_stamps.ask(authority.address, asked.der)
    checked(answer, asked)
    for wrong in (question_of(SHA256), question_of(hashlib.sha256(b"another").hexdigest())):  # an old one; another hash
        with pytest.raises(NoTimeStamp, match="cannot be read or was changed"):
            checked(answer, wrong)
    at = tsp.TimeStampResp.load(answer)["time_stamp_token"]["content"]["encap_content_info"]["content"].parsed
    moment = at["gen_time"].native.strftime("%Y%m%d%H%M%SZ").encode()
    assert moment in answer
    with pytest.raises(NoTimeStamp, match="changed"):
        checked(answer.replace(moment, b"19990101000000Z"), asked)
    for content in (b"", b"<html>", answer[:-9], answer + b"\0"):
        with pytest.raises(NoTimeStamp, match="cannot be read"):
            checked(content, asked)
    declined = Response({"status": {"status": "rejection", "status_string": ["too many questions"]}}).dump()
    with pytest.raises(NoTimeStamp, match="declined: too many questions"):
        checked(declined, asked)


def test_a_certificate_that_is_for_more_than_time_stamps_is_declined(authority, tmp_path, monkeypatch):
    """openssl makes no such answer, so the use of the certificate is changed where it is read."""
    asked = question_of(SHA256)
    answer = time_stamps.ask(authority.address, asked.der)
    monkeypatch.setattr("asn1crypto.x509.Certificate.extended_key_usage_value", None)
    with pytest.raises(NoTimeStamp, match="cannot be read"):
        checked(answer, asked)


def test_an_authority_that_is_away_or_endless_has_a_sentence(authority):
    with pytest.raises(NoTimeStamp, match="gave no answer"):
        time_stamps.ask("http://127.0.0.1:9/tsr", b"question")
    authority.replace = b"x" * (time_stamps.MOST_BYTES + 2)
    with pytest.raises(NoTimeStamp, match="too long"):
        time_stamps.ask(authority.address, b"question")


def test_what_may_be_a_secret_in_the_address_is_not_published():
    address = "https://name:word@time.example.org:8443/tsr?key=secret#part"
    assert time_stamps.public_part(address) == "https://time.example.org:8443/tsr"


def test_the_setting_is_an_address_or_the_start_ends(monkeypatch):
    monkeypatch.setenv("TIME_STAMP_URL", "ftp://time.example.org")
    with pytest.raises(SystemExit, match="TIME_STAMP_URL is no address"):
        environment.web_address("TIME_STAMP_URL")
    monkeypatch.setenv("TIME_STAMP_URL", "")
    assert environment.web_address("TIME_STAMP_URL") == ""


@pytest.mark.django_db
def test_a_protocol_is_stamped_once_and_the_bundle_has_the_token(authority, settings):
    study = frozen(ten_fields())
    client = signed_in(study.created_by)
    assert "Have it time-stamped" not in client.get(address("study", study)).content.decode()
    asked = len(authority.asked)
    answer = client.post(address("study-act", study), {"act": "stamp"})
    assert toasts(answer) == ["No time-stamping authority is set on this server (TIME_STAMP_URL)."]
    assert len(authority.asked) == asked  # nothing leaves unless the setting says so
    settings.TIME_STAMP_URL = authority.address
    assert "Have it time-stamped" in client.get(address("study", study)).content.decode()
    client.post(address("study-act", study), {"act": "stamp"})
    study.refresh_from_db()
    assert study.stamped_by == authority.address and study.stamped_at >= study.frozen_at.replace(microsecond=0)
    assert authority.verifies(bytes(study.stamp_token), study.protocol_sha256)
    answer = client.post(address("study-act", study), {"act": "stamp"})
    assert toasts(answer) == ["The protocol has a time stamp already."]
    page = client.get(address("study", study)).content.decode()
    assert "Time stamp of a third party" in page and "Have it time-stamped" not in page
    with zipfile.ZipFile(io.BytesIO(reporting.bundled(study))) as bundle:
        assert bundle.read("protocol.tst") == bytes(study.stamp_token)
        about = json.loads(bundle.read("about.json"))
        assert about["stamped_at"] == study.stamped_at.isoformat() and about["frozen_at"]
        assert "Time stamp (RFC 3161) of that hash" in bundle.read("registration.md").decode()
        assert "protocol.tst" in bundle.read("checklists.md").decode()


@pytest.mark.django_db
def test_a_registry_gets_what_was_frozen_and_no_result():
    study = frozen(ten_fields())
    answer = signed_in(study.created_by).get(address("study-registration", study))
    text = answer.content.decode()
    assert answer["Content-Type"].startswith("text/markdown") and "attachment" in answer["Content-Disposition"]
    assert study.protocol_sha256 in text and "crossover assignment, AB/BA" in text
    assert "Experimental: proposals. Tools: box, brush." in text
    assert "Active comparator (reference): boxes by hand" in text
    assert "4 readers; 8 measured items" in text and "EK 12/2026" in text
    assert "None" not in text


@pytest.mark.django_db
def test_a_draft_has_nothing_to_register():
    study = draft(ten_fields())
    assert signed_in(study.created_by).get(address("study-registration", study)).status_code == 404
