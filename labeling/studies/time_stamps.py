"""A time stamp of a frozen protocol by a third party: a client of RFC 3161 (Time-Stamp Protocol), over HTTP.

What leaves the server is the SHA-256 of the protocol, 32 bytes, and a number drawn for this one question. Nothing is
sent unless the setting TIME_STAMP_URL names an authority and somebody presses the button.
"""

import hashlib
import http.client
import secrets
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from asn1crypto import cms, core, tsp
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import load_der_x509_certificate
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from labeling.errors import LabelingError, WrongState
from labeling.studies.models import Study

PATIENCE_S = 20.0
MOST_BYTES = 1 << 20  # of an answer; a token with its certificates has some kilobytes
HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


class Response(core.Sequence):  # type: ignore[misc]
    """TimeStampResp of RFC 3161, 2.4.2: an authority that declines sends no token (asn1crypto’s needs one)."""

    _fields = [("status", tsp.PKIStatusInfo), ("time_stamp_token", cms.ContentInfo, {"optional": True})]


class NoTimeStamp(LabelingError):
    """The authority gave none, or one that does not hold."""

    code = "no_time_stamp"


@dataclass(frozen=True)
class Stamp:
    """token: CMS signed data in DER, as `openssl ts -verify -token_in` reads it. at: as the token says."""

    token: bytes
    at: datetime


@dataclass(frozen=True)
class Question:
    """der: a TimeStampReq. nonce: comes back in the answer, so that an old answer is no new one."""

    der: bytes
    sha256: str
    nonce: int


def is_offered() -> bool:
    """Whether whoever runs the server has named an authority."""
    return bool(settings.TIME_STAMP_URL)


def stamp_protocol(study: Study) -> Study:
    """Let the authority of the setting say when the protocol's SHA-256 was there, and keep its token.

    Raises WrongState for a draft, a study that has a stamp, or without an authority; NoTimeStamp.
    """
    if not is_offered():
        raise WrongState(_("no time-stamping authority is set on this server (TIME_STAMP_URL)"))
    if not study.protocol_sha256:
        raise WrongState(_("a draft has no protocol yet; freeze it first"))
    if study.stamp_token is not None:
        raise WrongState(_("the protocol has a time stamp already"))
    asked = question_of(study.protocol_sha256)
    stamp = checked(ask(settings.TIME_STAMP_URL, asked.der), asked)  # outside the transaction: it waits for others
    with transaction.atomic():
        study = Study.objects.select_for_update().get(pk=study.pk)
        if study.stamp_token is not None:
            raise WrongState(_("the protocol has a time stamp already"))
        study.stamp_token, study.stamped_at = stamp.token, stamp.at
        study.stamped_by = public_part(settings.TIME_STAMP_URL)[:200]  # as the column holds
        study.save(update_fields=["stamp_token", "stamped_at", "stamped_by"])
    return study


def public_part(address: str) -> str:
    """An address without what may be a secret of the operator: it stands on pages and in bundles that are published."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def question_of(sha256: str) -> Question:
    """sha256: 64 hexadecimal digits."""
    nonce = secrets.randbits(64)
    imprint = {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": bytes.fromhex(sha256)}
    request = tsp.TimeStampReq({"version": "v1", "message_imprint": imprint, "nonce": nonce, "cert_req": True})
    return Question(request.dump(), sha256, nonce)


def ask(address: str, question: bytes) -> bytes:
    """The authority's answer. address: http or https, held by the settings. Raises NoTimeStamp."""
    headers = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
    request = urllib.request.Request(address, data=question, headers=headers)  # noqa: S310 (the operator's address)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310 (likewise)
            content: bytes = answer.read(MOST_BYTES + 1)
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise NoTimeStamp(
            _("the time-stamping authority {address} gave no answer ({error}); try again later").format(
                address=public_part(address), error=error
            )
        ) from error
    if len(content) > MOST_BYTES:
        raise NoTimeStamp(_("the time-stamping authority’s answer is too long to be a time stamp"))
    return content


def checked(answer: bytes, asked: Question) -> Stamp:
    """The stamp of an answer, once it is of this question and its signature fits the certificate that it holds.

    Whether that certificate is to be trusted is not decided here: `openssl ts -verify` does, with the authority's root.
    Raises NoTimeStamp.
    """
    try:
        response = Response.load(answer, strict=True)
        status = response["status"]["status"].native
        if status not in ("granted", "granted_with_mods"):
            reason = "; ".join(response["status"]["status_string"].native or []) or status
            raise NoTimeStamp(_("the time-stamping authority declined: {reason}").format(reason=reason))
        token = response["time_stamp_token"]
        signed = token["content"]
        info = signed["encap_content_info"]["content"].parsed
        _check_question(info, asked)
        _check_signature(signed, signed["encap_content_info"]["content"].contents)
        return Stamp(token.dump(), info["gen_time"].native)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, InvalidSignature) as error:
        raise NoTimeStamp(_("the time-stamping authority’s answer cannot be read or was changed")) from error


def _check_question(info: tsp.TSTInfo, asked: Question) -> None:
    """Raises ValueError where the token is of another hash or of another question."""
    imprint = info["message_imprint"]
    same_hash = imprint["hash_algorithm"]["algorithm"].native == "sha256"
    if not same_hash or imprint["hashed_message"].native != bytes.fromhex(asked.sha256):
        raise ValueError("the stamp is of another hash")
    if info["nonce"].native != asked.nonce:
        raise ValueError("the stamp answers another question")


def _check_signature(signed: cms.SignedData, content: bytes) -> None:
    """content: DER of the TSTInfo that was signed. Raises ValueError, IndexError, InvalidSignature."""
    signer = signed["signer_infos"][0]
    algorithm = signer["digest_algorithm"]["algorithm"].native
    attributes = signer["signed_attrs"]
    values = {attribute["type"].native: attribute["values"][0].native for attribute in attributes}
    if values["message_digest"] != hashlib.new(algorithm, content).digest():
        raise ValueError("what was signed is not what stands there")
    certificate = _certificate_of(signed, signer)
    key = load_der_x509_certificate(certificate).public_key()
    message = attributes.untag().dump()
    signature = signer["signature"].native
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, message, padding.PKCS1v15(), HASHES[algorithm])
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, message, ec.ECDSA(HASHES[algorithm]))
    else:
        raise TypeError("a key of another kind")


def _certificate_of(signed: cms.SignedData, signer: cms.SignerInfo) -> bytes:
    """DER of the certificate that the signer names, which must be one for time stamps alone (RFC 3161, 2.3)."""
    wanted = signer["sid"].chosen
    for choice in signed["certificates"]:
        certificate = choice.chosen
        if certificate.issuer == wanted["issuer"] and certificate.serial_number == wanted["serial_number"].native:
            use = certificate.extended_key_usage_value
            if use is None or use.native != ["time_stamping"]:
                raise ValueError("the certificate is not one for time stamps")
            der: bytes = certificate.dump()
            return der
    raise ValueError("the certificate of the signer is not there")
