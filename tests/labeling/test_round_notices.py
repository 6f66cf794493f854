"""When a round ends, people and programs are told: once, later if need be, and without any harm to the round."""

import datetime
import hashlib
import hmac
import ipaddress
import socket
import ssl
from dataclasses import asdict
from datetime import timedelta

import pytest
from celery.contrib.testing.worker import start_worker
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.core import mail as outbox
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from inference.egress import guarded
from inference.egress.addresses import may_be_reached
from labeling.celery import app
from labeling.errors import Invalid
from labeling.projects.models import Role
from labeling.recovery import REQUEUE_AFTER
from labeling.rounds.execution import services
from labeling.rounds.execution.archiving import archive_project
from labeling.rounds.execution.services import advance, cancel_round, retry_round, start_round
from labeling.rounds.models import Delivery, Round, RoundPolicy, Stage
from labeling.rounds.notices import announcements, delivery, webhooks
from labeling.rounds.notices.announcements import change_notices, renew_secret
from labeling.rounds.notices.documents import WebhookBody
from labeling.rounds.notices.webhooks import Declined, Unsent, post
from labeling.server import environment
from tests.factories import MembershipFactory, UserFactory
from tests.labeling.pages import make_study, signed_in, toasts
from tests.labeling.receivers import hook, post_office
from tests.running import wait_for

pytestmark = pytest.mark.django_db
LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]


def deliveries(sent):
    """The ids of the deliveries that the workers were asked for."""
    asked = [message for message in sent if message.task == "labeling.deliver"]
    assert {message.queue for message in asked} <= {"cpu"}
    return [message.arguments["delivery_id"] for message in asked]


@pytest.fixture
def receiver(settings):
    settings.WEBHOOK_NETWORKS = LOOPBACK
    with hook() as made:
        yield made


@pytest.fixture
def there(sent, receiver):
    """A project with a round at work, told of by webhook and mail; its owner and manager have addresses."""
    made = make_study()
    for who in ("owner", "manager", "annotator"):
        made.people[who].email = f"{who}@example.org"
        made.people[who].save()
    change_notices(project=made.project, notify_by_mail=True, webhook_url=receiver.url)
    return made


def end(round_: Round, state: str) -> Round:
    """Bring a round to its end as its last stage does."""
    with transaction.atomic():
        locked = Round.objects.select_for_update().get(pk=round_.pk)
        if locked.state == Round.State.QUEUED:
            services.move(locked, Round.State.RUNNING)
        stage = Stage.State.DONE if state == "published" else Stage.State.FAILED
        locked.stages.update(state=stage, error="" if state == "published" else "the loss became nan")
        advance(locked)
    locked.refresh_from_db()
    assert locked.state == state
    return locked


def rows(**wanted):
    return sorted(Delivery.objects.filter(**wanted).values_list("event", "channel", "to", "state", "attempts"))


# -- who is told, and how often


def test_a_published_round_is_told_once_to_the_webhook_and_to_managers_with_an_address(there, sent, receiver):
    there.people["reviewer"].email = "reviewer@example.org"
    there.people["reviewer"].save()
    MembershipFactory(project=there.project, role=Role.MANAGER)  # has no address
    quiet = MembershipFactory(project=there.project, role=Role.OWNER).user
    quiet.email, quiet.mails_round_ends = "quiet@example.org", False
    quiet.save()
    shares = MembershipFactory(project=there.project, role=Role.MANAGER).user
    shares.email = "Owner@example.org"  # one mailbox of two colleagues gets one mail
    shares.save()
    round_ = end(there.round, "published")
    assert rows() == [
        ("round.published", "mail", "Owner@example.org", "waiting", 0),
        ("round.published", "mail", "manager@example.org", "waiting", 0),
        ("round.published", "webhook", receiver.url, "waiting", 0),
    ]
    asked = deliveries(sent)
    assert len(asked) == 3
    for delivery_id in [*asked, *asked]:  # each message comes twice
        assert delivery.attempt(delivery_id) is None
    assert {state for *_, state, _ in rows()} == {"sent"} and len(rows()) == 3
    (reported,) = receiver.toasts()
    assert WebhookBody.stored(reported).as_json() == reported
    assert reported["event"] == "round.published" and reported["project"]["name"] == there.project.name
    assert (reported["round"]["id"], reported["round"]["state"], reported["round"]["error"]) == (
        round_.pk,
        "published",
        "",
    )
    assert reported["round"]["url"].startswith("http") and reported["round"]["url"].endswith(
        f"/projects/{round_.project_id}/rounds/{round_.number}/"
    )
    assert sorted(m.to[0] for m in outbox.outbox) == ["Owner@example.org", "manager@example.org"]
    assert outbox.outbox[0].subject == f"{there.project.name}: round 1 is published"
    assert reported["round"]["url"] in outbox.outbox[0].body


def test_a_failed_round_is_told_with_its_reason_and_again_when_retry_fails_too(there, sent, receiver):
    end(there.round, "failed")
    retry_round(round_=there.round)
    end(there.round, "failed")
    assert len(Delivery.objects.filter(channel="mail")) == 4 and len(Delivery.objects.filter(channel="webhook")) == 2
    for delivery_id in deliveries(sent):
        delivery.attempt(delivery_id)
    assert [t["round"]["error"] for t in receiver.toasts()] == ["the loss became nan"] * 2
    assert "the loss became nan" in outbox.outbox[0].body and "press Retry" in outbox.outbox[0].body


def test_a_cancelled_round_is_told_to_the_webhook_alone_also_when_its_project_is_archived(there, sent):
    cancel_round(round_=there.round)
    assert [row[:2] for row in rows()] == [("round.cancelled", "webhook")]
    retry_round(round_=there.round)
    archive_project(project=there.project, by=there.people["owner"])
    assert [row[:2] for row in rows()] == [("round.cancelled", "webhook")] * 2


def test_nobody_is_told_where_nobody_asked_for_it(there, sent):
    RoundPolicy.objects.all().delete()
    end(there.round, "published")
    assert not Delivery.objects.exists() and not deliveries(sent)


def test_a_round_ends_although_nobody_can_be_told(there, sent, monkeypatch, caplog):
    def broken(*args, **kwargs):
        raise KeyError("a bug")

    monkeypatch.setattr(announcements, "webhook", broken)
    second = start_round(project=there.project, by=None, preset="tiny", changes={"lam": 3}, line_up=True)
    end(there.round, "published")
    second.refresh_from_db()
    assert second.state == Round.State.QUEUED and not Delivery.objects.exists()
    assert "nobody is told" in caplog.text


def test_mail_comes_in_the_language_of_its_reader(there, sent):
    there.people["owner"].language = "de"
    there.people["owner"].save()
    end(there.round, "failed")
    subjects = {d.to: d.content["subject"] for d in Delivery.objects.filter(channel="mail")}
    assert subjects["owner@example.org"].endswith("Runde 1 ist gescheitert")
    assert subjects["manager@example.org"].endswith("round 1 failed")


# -- on its way


def test_a_receiver_can_check_who_sent_it(there, sent, receiver):
    end(there.round, "published")
    reported = Delivery.objects.get(channel="webhook")
    delivery.attempt(reported.pk)
    headers, body = receiver.got[0]
    secret = RoundPolicy.objects.get().webhook_secret
    assert headers["X-Boxwise-Signature"] == "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    assert (headers["X-Boxwise-Event"], headers["X-Boxwise-Delivery"]) == ("round.published", str(reported.pk))
    assert headers["Content-Type"] == "application/json" and headers["path"] == "/hooks/1?from=boxwise"
    assert headers["Host"] == f"127.0.0.1:{receiver.port}"
    renew_secret(project=there.project)
    assert RoundPolicy.objects.get().webhook_secret not in ("", secret)


@pytest.mark.django_db(transaction=True)
def test_a_real_worker_tries_again_after_500_and_sends_the_same_with_the_same_id(
    settings, monkeypatch, receiver, django_db_blocker
):
    """Celery's own retry, through the embedded broker."""
    monkeypatch.setattr(delivery, "PAUSES", (0.3, 0.3, 0.3))
    made = make_study()
    change_notices(project=made.project, notify_by_mail=False, webhook_url=receiver.url)
    receiver.answers = [500, 503, 204]
    app.loader.import_default_modules()
    with start_worker(app, pool="solo", perform_ping_check=False, queues=["cpu"], shutdown_timeout=30):
        end(made.round, "published")
        wait_for(lambda: Delivery.objects.filter(state="sent").exists(), 30, "delivered")
    reported = Delivery.objects.get()
    assert (reported.attempts, reported.answer) == (3, "HTTP 204")
    assert len({body for _, body in receiver.got}) == 1 and len(receiver.got) == 3
    assert {headers["X-Boxwise-Delivery"] for headers, _ in receiver.got} == {str(reported.pk)}
    assert len({headers["X-Boxwise-Signature"] for headers, _ in receiver.got}) == 1


def test_a_receiver_that_never_takes_it_is_given_up_and_the_round_stays(there, sent, receiver):
    receiver.answers = [500]
    round_ = end(there.round, "published")
    reported = Delivery.objects.get(channel="webhook")
    pauses = []
    for _ in range(len(delivery.PAUSES) + 1):
        pauses.append(delivery.attempt(reported.pk))
        assert delivery.attempt(reported.pk) is None  # not due yet
        Delivery.objects.filter(state="waiting").update(due_at=timezone.now())
    assert pauses == [*delivery.PAUSES, None]
    reported.refresh_from_db()
    assert (reported.state, reported.attempts, reported.answer, len(receiver.got)) == ("failed", 6, "HTTP 500", 6)
    round_.refresh_from_db()
    assert (round_.state, round_.error) == ("published", "")


def test_a_worker_that_dies_after_sending_sends_the_same_id_again(there, sent, receiver, monkeypatch):
    """What arrived and could not be noted arrives twice; the receiver tells by the id."""
    end(there.round, "published")
    reported = Delivery.objects.get(channel="webhook")
    with monkeypatch.context() as patched:
        patched.setattr(delivery, "post", dies_after(post))
        with pytest.raises(SystemExit):
            delivery.attempt(reported.pk)
    sent.clear()
    Delivery.objects.filter(channel="mail").delete()
    now = timezone.now()
    assert delivery.recover(now + delivery.TRYING) == []  # it may still be trying
    later = now + delivery.TRYING + REQUEUE_AFTER + timedelta(seconds=1)
    assert delivery.recover(later) == ["round.published by webhook: nobody has tried it, it is sent again"]
    assert delivery.recover(later) == [] and deliveries(sent) == [str(reported.pk)]
    Delivery.objects.update(due_at=timezone.now())  # `later` has come
    delivery.attempt(deliveries(sent)[0])
    assert [h["X-Boxwise-Delivery"] for h, _ in receiver.got] == [str(reported.pk)] * 2
    assert rows() == [("round.published", "webhook", receiver.url, "sent", 2)]


def dies_after(real):
    def act(*args, **kwargs):
        real(*args, **kwargs)
        raise SystemExit

    return act


def test_what_waits_for_an_address_that_was_taken_away_is_not_sent_there(there, sent, receiver):
    end(there.round, "published")
    change_notices(project=there.project, notify_by_mail=False, webhook_url="https://example.org/")
    reported = Delivery.objects.get(channel="webhook")
    assert delivery.attempt(reported.pk) is None
    reported.refresh_from_db()
    assert (reported.state, reported.answer) == ("failed", delivery.ANOTHER_ADDRESS) and not receiver.got


# -- how far a webhook reaches


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True), ("2606:2800:220:1:248:1893:25c8:1946", True), ("64:ff9b::5db8:d822", True),
        ("127.0.0.1", False), ("127.8.9.1", False), ("0.0.0.0", False), ("10.1.2.3", False), ("172.16.0.1", False),
        ("192.168.1.1", False), ("169.254.169.254", False), ("100.64.0.1", False), ("192.0.2.1", False),
        ("224.0.1.1", False), ("255.255.255.255", False), ("::1", False), ("::", False), ("fe80::1%lo", False),
        ("fd00::1", False), ("ff02::1", False), ("::ffff:127.0.0.1", False), ("::ffff:169.254.169.254", False),
        ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False), ("2002:a9fe:a9fe::1", False),
    ],
)  # fmt: skip
def test_only_public_addresses_are_reached(address, public):
    assert may_be_reached(address, ()) == public


def test_the_operator_allows_single_networks():
    allowed = [ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fd00::/8")]
    reached = ["10.1.2.3", "10.2.2.3", "::ffff:10.1.9.9", "fd12::1", "127.0.0.1"]
    assert [may_be_reached(a, allowed) for a in reached] == [True, False, True, True, False]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "[::ffff:127.0.0.1]"])
def test_a_private_address_is_refused_for_good_however_it_is_written(there, sent, receiver, settings, host):
    settings.WEBHOOK_NETWORKS = []
    change_notices(project=there.project, notify_by_mail=False, webhook_url=f"http://{host}:{receiver.port}/")
    end(there.round, "published")
    reported = Delivery.objects.get()
    assert delivery.attempt(reported.pk) is None
    reported.refresh_from_db()
    assert (reported.state, reported.attempts) == ("failed", 1) and "which is not public" in reported.answer
    assert receiver.got == []


def test_the_connection_goes_to_the_address_that_was_judged(receiver, monkeypatch):
    """A name that means something else a moment later, as in an attack by DNS: it is asked once."""
    asked, real = [], socket.getaddrinfo

    def resolve(host, *args, **kwargs):
        if host != "hooks.example":
            assert ipaddress.ip_address(host)  # nothing else is looked up
            return real(host, *args, **kwargs)
        asked.append(host)
        return real("127.0.0.1" if len(asked) == 1 else "169.254.169.254", *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert post(f"http://hooks.example:{receiver.port}/", b"{}", {}, allowed=LOOPBACK) == "HTTP 204"
    assert len(asked) == 1 and receiver.got[0][0]["Host"] == f"hooks.example:{receiver.port}"
    with pytest.raises(Declined, match=r"169\.254\.169\.254"):
        post(f"http://hooks.example:{receiver.port}/", b"{}", {}, allowed=LOOPBACK)


def test_a_name_with_a_private_and_a_public_address_is_reached_at_the_public_one(monkeypatch):
    pairs = [("10.0.0.1", 80), ("93.184.216.34", 80)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: [(2, 1, 6, "", pair) for pair in pairs])
    assert guarded.reachable("hooks.example", 80, ()) == ["93.184.216.34"]


def test_a_redirect_is_not_followed(receiver):
    receiver.answers = [302]
    with pytest.raises(Declined, match="HTTP 302: redirects are not followed"):
        post(receiver.url, b"{}", {}, allowed=LOOPBACK)
    assert len(receiver.got) == 1


def test_no_proxy_of_the_environment_is_used(receiver, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert post(receiver.url, b"{}", {}, allowed=LOOPBACK) == "HTTP 204"


def test_a_receiver_that_answers_for_ever_is_left(receiver, monkeypatch):
    monkeypatch.setattr(webhooks, "WHOLE", 0.6)
    receiver.drip = True
    begun = timezone.now()
    with pytest.raises(Unsent, match="no whole answer within"):
        post(receiver.url, b"{}", {}, allowed=LOOPBACK)
    assert timezone.now() - begun < timedelta(seconds=5)


def test_nobody_at_the_door_and_no_such_name_are_tried_again():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(Unsent, match="ConnectionRefused"):
        post(f"http://127.0.0.1:{port}/", b"{}", {}, allowed=LOOPBACK)
    with pytest.raises(Unsent, match="has no address"):
        post("http://nowhere.invalid/", b"{}", {}, allowed=LOOPBACK)
    with pytest.raises(Unsent, match="has no address"):
        post(f"http://{'x' * 70}.example/", b"{}", {}, allowed=LOOPBACK)


def test_https_checks_the_certificate_against_the_name(tmp_path, monkeypatch):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks.example")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = serialization.Encoding.PEM
    (tmp_path / "cert.pem").write_bytes(certificate.public_bytes(pem))
    bare = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "key.pem").write_bytes(key.private_bytes(pem, *bare))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda h, *a, **k: real("127.0.0.1" if h.endswith("example") else h, *a, **k)
    )
    with hook(context) as receiver:
        with pytest.raises(Unsent, match="CERTIFICATE_VERIFY_FAILED"):
            post(f"https://hooks.example:{receiver.port}/", b"{}", {}, allowed=LOOPBACK)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        assert post(f"https://hooks.example:{receiver.port}/", b"{}", {}, allowed=LOOPBACK) == "HTTP 204"
        with pytest.raises(Unsent, match="Hostname mismatch"):
            post(f"https://other.example:{receiver.port}/", b"{}", {}, allowed=LOOPBACK)


@pytest.mark.parametrize(
    "url",
    ["ftp://example.org/", "example.org", "https://", "http://[::1", "http://a:b", "https://me:secret@example.org/",
     "http://example.org/ x", "https://exämple.org/", "http://example.org:0/", "https://example.org/" + "x" * 500],
)  # fmt: skip
def test_what_is_no_address_of_a_webhook_is_refused_when_it_is_saved(there, url):
    with pytest.raises(Invalid) as declined:
        change_notices(project=there.project, notify_by_mail=False, webhook_url=url)
    assert declined.value.field == "webhook_url"


# -- mail through a real server


@pytest.fixture
def office(settings):
    with post_office() as made:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", made.port
        settings.MAIL_IS_CONFIGURED = True
        settings.DEFAULT_FROM_EMAIL = "Boxwise <boxwise@hospital.example>"
        yield made


def test_mail_goes_through_a_mail_server_with_an_id_that_stays(there, sent, office):
    end(there.round, "published")
    reported = Delivery.objects.get(channel="mail", to="owner@example.org")
    office.says = ["450 come back later"]
    assert delivery.attempt(reported.pk) == delivery.PAUSES[0]
    Delivery.objects.update(due_at=timezone.now())
    assert delivery.attempt(reported.pk) is None
    reported.refresh_from_db()
    assert (reported.state, reported.attempts, reported.answer) == ("sent", 2, "handed to the mail server")
    ((to, letter),) = office.mail
    assert to == "owner@example.org" and letter["Message-ID"] == f"<{reported.pk}@hospital.example>"
    assert letter["Subject"].endswith("round 1 is published") and letter["Auto-Submitted"] == "auto-generated"


def test_an_address_that_the_mail_server_does_not_know_is_given_up(there, sent, office):
    end(there.round, "published")
    reported = Delivery.objects.get(channel="mail", to="owner@example.org")
    office.says = ["550 no such person"]
    assert delivery.attempt(reported.pk) is None
    reported.refresh_from_db()
    assert (reported.state, reported.attempts, reported.answer) == ("failed", 1, "550 no such person")


def test_a_mail_server_that_is_away_is_tried_again(there, sent, office, settings):
    settings.EMAIL_PORT = 1
    end(there.round, "published")
    reported = Delivery.objects.get(channel="mail", to="owner@example.org")
    assert delivery.attempt(reported.pk) == delivery.PAUSES[0]
    reported.refresh_from_db()
    assert reported.state == "waiting" and "ConnectionRefused" in reported.answer


def test_a_name_with_a_line_break_makes_no_header(there, sent):
    there.project.name = "Breast\nBcc: everybody@example.org"
    there.project.save()
    end(there.round, "published")
    subject = Delivery.objects.filter(channel="mail")[0].content["subject"]
    assert subject == "Breast Bcc: everybody@example.org: round 1 is published"


# -- the pages


def test_a_manager_decides_on_the_settings_page_sees_what_became_of_it_and_tries_it(there, sent, receiver):
    RoundPolicy.objects.all().delete()
    client, page = signed_in(there.people["manager"]), reverse("project-settings", args=[there.project.pk])
    address = reverse("settings-notices", args=[there.project.pk])
    assert toasts(client.post(address, {"test": "1"})) == [
        "Nobody is told yet: choose mail or enter a webhook’s address, and save."
    ]
    bad = client.post(address, {"webhook_url": "ftp://example.org/"})
    assert bad.status_code == 422 and "begins with https:// or http://" in bad.content.decode()
    assert client.post(address, {"notify_by_mail": "on", "webhook_url": receiver.url}).status_code == 302
    secret = RoundPolicy.objects.get().webhook_secret
    shown = client.get(page).content.decode()
    assert secret in shown and "No mail server is configured (MAIL_URL)" in shown and "Recipients now:" in shown
    assert "Send a test" in shown
    client.post(address, {"test": "1"})
    receiver.answers = [500]
    for delivery_id in deliveries(sent):
        delivery.attempt(delivery_id)
    assert [m.to for m in outbox.outbox] == [["manager@example.org"]]  # a test goes to who asks, to nobody else
    assert receiver.toasts()[0]["event"] == "test" and "round" not in receiver.toasts()[0]
    shown = client.get(page).content.decode()
    assert "HTTP 500" in shown and "next try at" in shown and "no mail server is configured" in shown
    client.post(address, {"secret": "1"})
    assert RoundPolicy.objects.get().webhook_secret not in ("", secret)
    client.post(address, {"webhook_url": ""})
    assert RoundPolicy.objects.get().webhook_url == ""
    assert toasts(client.post(address, {"secret": "1"}))[-1] == "There is no webhook; save its address first."


def test_what_is_decided_about_notices_leaves_the_rest_of_the_policy(there):
    RoundPolicy.objects.update(promotes_itself=False, data_licence="CC0")
    change_notices(project=there.project, notify_by_mail=False, webhook_url="")
    policy = RoundPolicy.objects.get()
    assert (policy.promotes_itself, policy.data_licence, policy.notify_by_mail) == (False, "CC0", False)


def test_a_person_decides_about_their_mail_in_their_account():
    person = UserFactory()
    person.set_password("old-and-long-9")
    person.save()
    client, page = signed_in(person), reverse("account")
    form = {"email": "a@example.org", "language": "de"}
    assert "You sign in as" in client.get(page).content.decode()
    assert client.post(page, form | {"email": "nonsense"}).status_code == 422
    assert client.post(page, form).status_code == 422  # a new address needs the password
    assert client.post(page, form | {"password": "old-and-long-9"}).status_code == 302
    person.refresh_from_db()
    assert (person.email, person.mails_round_ends, person.language) == ("a@example.org", False, "de")


# -- what the environment says


def test_the_mail_server_is_named_in_the_environment():
    made = environment.mail("smtp://me%40here:pass%2Fword@mail.example:587?starttls=1")
    assert asdict(made) == {
        "backend": "django.core.mail.backends.smtp.EmailBackend", "host": "mail.example", "port": 587,
        "user": "me@here", "password": "pass/word", "ssl": False, "starttls": True,
    }  # fmt: skip
    assert environment.mail("smtps://mail.example").port == 465 and environment.mail("smtps://mail.example").ssl
    assert environment.mail("").backend.endswith("console.EmailBackend")
    for bad in ("http://mail.example", "smtp://", "smtp://mail.example?tls=1", "smtp://mail.example:x"):
        with pytest.raises(SystemExit, match="MAIL_URL"):
            environment.mail(bad)


def test_the_address_of_the_site_and_the_allowed_networks_come_from_the_environment(monkeypatch):
    monkeypatch.delenv("SITE_URL", raising=False)
    assert environment.site_url([".example.org", "boxwise.example.org"], []) == "https://boxwise.example.org"
    assert environment.site_url(["a"], ["https://proxy.example.org"]) == "https://proxy.example.org"
    monkeypatch.setenv("SITE_URL", "http://here:8000/")
    assert environment.site_url(["a"], []) == "http://here:8000"
    monkeypatch.setenv("SITE_URL", "here")
    with pytest.raises(SystemExit, match="SITE_URL"):
        environment.site_url(["a"], [])
    monkeypatch.setenv("WEBHOOK_NETWORKS", "10.1.0.0/16, fd00::/8,192.168.7.5")
    assert [str(n) for n in environment.networks("WEBHOOK_NETWORKS")] == ["10.1.0.0/16", "fd00::/8", "192.168.7.5/32"]
    monkeypatch.setenv("WEBHOOK_NETWORKS", "10.1.0.1/16")
    with pytest.raises(SystemExit, match="WEBHOOK_NETWORKS"):
        environment.networks("WEBHOOK_NETWORKS")
