"""A new password by mail, and a changed address: what is mailed to whom, and answers that tell nothing."""

import re
from types import SimpleNamespace

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from labeling.accounts import mails
from labeling.audit.models import Act, SecurityEvent
from tests.factories import UserFactory
from tests.labeling.pages import page_text, signed_in, toasts

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
NEW = "staple quiet orange lamp"


@pytest.fixture(autouse=True)
def _mail(settings, monkeypatch):
    settings.MAIL_IS_CONFIGURED = True
    settings.SITE_ORIGIN = "https://boxwise.example"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    monkeypatch.setattr(mails, "in_background", lambda work: work())
    cache.clear()


@pytest.fixture
def user():
    made = UserFactory(username="miller", email="miller@hospital.example", language="en")
    made.set_password(PASSWORD)
    made.save()
    return made


def ask(who, client=None):
    return (client or Client()).post(reverse("forgotten"), {"who": who})


def link_in(message):
    return re.search(r"https://boxwise\.example(\S+)", message.body)[1]


@pytest.mark.parametrize("who", ["miller", "MILLER@hospital.example", " miller "])
def test_a_link_is_mailed_and_sets_a_password(user, who):
    ask(who)
    (message,) = mail.outbox
    assert message.to == ["miller@hospital.example"] and "miller" in message.body
    client = Client()
    form = client.get(link_in(message), follow=True)
    client.post(form.redirect_chain[-1][0], {"new_password1": NEW, "new_password2": NEW})
    user.refresh_from_db()
    assert user.check_password(NEW) and client.get("/").status_code == 200
    assert SecurityEvent.objects.filter(act=Act.RESET_LINK_CREATED, subject="miller").exists()


def test_somebody_who_is_signed_in_opens_the_link(user):
    client = signed_in(user)
    ask("miller")
    form = client.get(link_in(mail.outbox[0]), follow=True)
    answer = client.post(form.redirect_chain[-1][0], {"new_password1": NEW, "new_password2": NEW})
    user.refresh_from_db()
    assert (answer.status_code, answer.url) == (302, "/") and user.check_password(NEW)
    assert client.get("/").status_code == 200


def test_the_answer_is_the_same_for_everybody(user):
    UserFactory(username="closed", email="c@hospital.example", is_active=False)
    UserFactory(username="without", email="")
    provider = UserFactory(username="provider", email="p@hospital.example")
    provider.set_unusable_password()
    provider.save()
    pages = set()
    for who in ("miller", "nobody", "closed", "without", "provider", "x@elsewhere.example", "", "x" * 999, "\x1b"):
        answer = ask(who)
        text = re.sub(r"csrfmiddlewaretoken\S+ value=\S+|X-CSRFToken\S+ \S+", "", page_text(answer))
        pages.add((answer.status_code, text))
    assert len(pages) == 1 and [message.to for message in mail.outbox] == [["miller@hospital.example"]]


def test_no_answer_waits_for_the_mail(user, monkeypatch):
    """The work is handed to a thread whether there is an account or not, so the time tells nothing."""
    handed = []
    monkeypatch.setattr(mails, "in_background", handed.append)
    ask("miller")
    ask("nobody")
    assert len(handed) == 2 and mail.outbox == []


def test_a_mailbox_is_not_flooded(user):
    codes = [ask("miller").status_code for _ in range(8)]
    assert codes[0] == 200 and codes[-1] == 429 and len(mail.outbox) < 8
    assert [ask("nobody").status_code for _ in range(8)][-1] == 429


def test_without_a_mail_server_the_page_names_another_way(settings):
    settings.MAIL_IS_CONFIGURED = False
    assert "An administrator can give you a link" in page_text(Client().get(reverse("forgotten")))
    assert ask("miller").status_code == 200 and mail.outbox == []


# -- one's own address


def change(client, address):
    form = {"email": address, "language": "en", "password": PASSWORD}
    return client.post(reverse("account"), form)


def test_an_address_changes_once_its_link_is_opened(user):
    client = signed_in(user)
    assert "A link was sent to new@hospital.example" in toasts(change(client, "new@hospital.example"))[0]
    user.refresh_from_db()
    assert user.email == "miller@hospital.example"
    confirmation, notice = mail.outbox
    assert confirmation.to == ["new@hospital.example"] and notice.to == ["miller@hospital.example"]
    assert "new@hospital.example" not in notice.body
    link = link_in(confirmation)
    assert client.get(link).status_code == 200
    user.refresh_from_db()
    assert user.email == "miller@hospital.example"  # a mail program that opens links changes nothing
    client.post(link)
    user.refresh_from_db()
    assert user.email == "new@hospital.example"
    assert SecurityEvent.objects.filter(act=Act.EMAIL_CHANGED).count() == 1
    change(client, "third@hospital.example")
    client.post(link)  # of before: void
    user.refresh_from_db()
    assert user.email == "new@hospital.example"


def test_a_link_of_somebody_else_or_a_forged_one_changes_nothing(user):
    client, other = signed_in(user), UserFactory(email="o@hospital.example")
    change(client, "new@hospital.example")
    link = link_in(mail.outbox[0])
    for person, address in ((other, link), (user, link[:-2] + "x/"), (user, reverse("confirm-address", args=["x"]))):
        answer = signed_in(person).post(address)
        assert answer.status_code == 302 and "link is void" in toasts(answer)[0]
    user.refresh_from_db()
    other.refresh_from_db()
    assert (user.email, other.email) == ("miller@hospital.example", "o@hospital.example")
    assert Client().get(link).status_code == 302


def test_an_address_that_another_account_has_is_answered_the_same(user):
    UserFactory(email="used@hospital.example")
    answered = toasts(change(signed_in(user), "used@hospital.example"))[0]
    free = toasts(change(signed_in(user), "free@hospital.example"))[0]
    assert answered.replace("used", "free") == free


def test_an_address_is_removed_at_once(user):
    change(signed_in(user), "")
    user.refresh_from_db()
    assert user.email == "" and mail.outbox == []


def test_who_signs_in_by_a_provider_alone_is_told_how(user, settings):
    settings.OIDC = SimpleNamespace(name="Hospital")
    user.set_unusable_password()
    user.save()
    ask("miller")
    (message,) = mail.outbox
    assert "Sign in by Hospital" in message.body and "https://boxwise.example/accounts/sign-in/" in message.body
    assert not SecurityEvent.objects.filter(act=Act.RESET_LINK_CREATED).exists()
