"""Sessions end by themselves and by their person; passwords, and ways back in without a mail server."""

import re
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labeling.accounts import sessions, throttle
from labeling.accounts.credentials import Credentials
from labeling.accounts.models import SignInAttempt, User
from labeling.accounts.services import close_account, open_account, reset_link
from labeling.accounts.sessions import SessionStore, end_sessions, open_sessions
from labeling.errors import WrongState
from tests.factories import MembershipFactory, UserFactory
from tests.labeling.pages import signed_in
from tests.tokens import token_of

pytestmark = pytest.mark.django_db
OLD, NEW = "correct horse battery", "seven purple lamps sing quietly"


@pytest.fixture
def user():
    made = UserFactory(username="miller")
    made.set_password(OLD)
    made.save()
    return made


def is_in(client: Client) -> bool:
    return client.get(reverse("account")).status_code == 200


def later(monkeypatch, **span: float) -> None:
    """Set the clock ahead; spans add up."""
    now = timezone.now() + timedelta(**span)
    monkeypatch.setattr(sessions.timezone, "now", lambda: now)


def key_of(client: Client) -> str:
    return client.cookies[next(name for name in client.cookies if "session" in name)].value


# -- how sessions end


def test_a_session_that_nobody_uses_ends(user, monkeypatch, settings):
    client = signed_in(user)
    later(monkeypatch, minutes=settings.SESSION_IDLE_MINUTES - 1)
    assert is_in(client)
    later(monkeypatch, minutes=settings.SESSION_IDLE_MINUTES - 1)
    assert is_in(client)  # counted from its last use
    later(monkeypatch, minutes=settings.SESSION_IDLE_MINUTES + 1)
    assert not is_in(client)


def test_without_a_request_it_is_over_everywhere(user, monkeypatch, settings):
    client = signed_in(user)
    key = key_of(client)
    assert Credentials(session=key).user() == user
    later(monkeypatch, minutes=settings.SESSION_IDLE_MINUTES + 1)
    assert not is_in(client)
    assert client.get("/api/v1/me/").status_code == 401
    assert Credentials(session=key).user() is None  # the live feed


def test_a_session_in_use_ends_after_its_days(user, monkeypatch, settings):
    settings.SESSION_IDLE_MINUTES = 10**6
    client = signed_in(user)
    Session.objects.update(expire_date=timezone.now() + timedelta(days=1000))
    later(monkeypatch, days=settings.SESSION_DAYS - 1)
    assert is_in(client)
    later(monkeypatch, days=settings.SESSION_DAYS + 1)
    assert not is_in(client)


def test_a_session_of_an_earlier_version_goes_on(user):
    client = signed_in(user)
    store = SessionStore(key_of(client))
    for name in (sessions.BEGAN, sessions.USED):
        del store[name]
    store.save()
    assert is_in(client)
    assert Session.objects.get(pk=key_of(client)).get_decoded()[sessions.BEGAN] > 0


def test_use_is_noted_now_and_then_and_not_for_each_request(user, monkeypatch):
    client = signed_in(user)
    before = Session.objects.get(pk=key_of(client)).session_data
    assert is_in(client)
    assert Session.objects.get(pk=key_of(client)).session_data == before
    later(monkeypatch, minutes=6)
    assert is_in(client)
    assert Session.objects.get(pk=key_of(client)).session_data != before


# -- the list


def test_a_person_sees_and_ends_their_own_sessions_alone(user):
    here, there, other = signed_in(user), signed_in(user), signed_in(UserFactory())
    page = here.get(reverse("account")).content.decode()
    assert page.count("this one") == 1 and key_of(there) not in page
    shown = open_sessions(user, key_of(here))
    assert [one.is_this for one in shown] == [True, False]
    foreign = open_sessions(User.objects.exclude(pk=user.pk).get(), "")[0].number
    here.post(reverse("account-sessions"), {"number": foreign})
    assert is_in(other)
    here.post(reverse("account-sessions"), {"number": shown[1].number})
    assert is_in(here) and not is_in(there)


def test_signing_out_everywhere_keeps_this_session(user):
    clients = [signed_in(user) for _ in range(3)]
    clients[0].post(reverse("account-sessions"))
    assert [is_in(client) for client in clients] == [True, False, False]
    assert end_sessions(user=user, own_key="") == 1


def test_expired_rows_are_removed(user):
    signed_in(user)
    Session.objects.update(expire_date=timezone.now() - timedelta(days=1))
    assert sessions.forget_old(timezone.now()) == ["1 sessions have expired and are removed"]


# -- passwords


def change(client: Client, old: str = OLD, new: str = NEW, again: str = ""):
    form = {"old_password": old, "new_password1": new, "new_password2": again or new}
    return client.post(reverse("account-password"), form)


def test_a_new_password_ends_other_sessions_and_tokens(user):
    here, there = signed_in(user), signed_in(user)
    secret = token_of(user)
    assert change(here).status_code == 302
    user.refresh_from_db()
    assert [one.is_this for one in open_sessions(user, key_of(here))] == [True]  # before the other one is used again
    assert user.check_password(NEW) and user.password.startswith("argon2")
    assert is_in(here) and not is_in(there)
    assert Client().get("/api/v1/me/", headers={"Authorization": f"Token {secret}"}).status_code == 401


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"old": "wrong"}, "This is not your password"),
        ({"again": "something else entirely"}, "The two passwords differ"),
        ({"new": "password1234"}, "A program would guess this password soon"),
        ({"new": "miller miller"}, "A program would guess this password soon"),
        ({"new": "qwertzuiop"}, "A program would guess this password soon"),
        ({"new": "x" * 5000}, "A program would guess this password soon"),
    ],
)
def test_a_password_that_is_not_taken(user, given, sentence):
    answer = change(signed_in(user), **given)
    assert answer.status_code == 422 and sentence in answer.content.decode()
    user.refresh_from_db()
    assert user.check_password(OLD)


def test_an_open_browser_is_no_place_to_try_out_the_password(user):
    client = signed_in(user)
    for _attempt in range(throttle.MOST_BY_NAME):
        assert change(client, old="wrong").status_code == 422
    assert change(client).status_code == 429
    assert SignInAttempt.objects.filter(succeeded=False).count() == throttle.MOST_BY_NAME


def test_a_password_of_an_earlier_version_opens_and_is_stored_anew(user):
    from django.contrib.auth.hashers import make_password

    User.objects.filter(pk=user.pk).update(password=make_password(OLD, hasher="pbkdf2_sha256"))
    secret = token_of(user)
    answer = Client().post(reverse("sign-in"), {"username": "miller", "password": OLD})
    assert answer.status_code == 302
    user.refresh_from_db()
    assert user.password.startswith("argon2")
    assert Client().get("/api/v1/me/", headers={"Authorization": f"Token {secret}"}).status_code == 200


def test_another_address_needs_the_password(user):
    client = signed_in(user)
    form = {"email": "new@example.org", "language": "en"}
    assert client.post(reverse("account"), form).status_code == 422
    assert client.post(reverse("account"), form | {"password": "wrong"}).status_code == 422
    user.refresh_from_db()
    assert user.email == ""
    assert client.post(reverse("account"), form | {"password": OLD}).status_code == 302
    assert client.post(reverse("account"), form | {"language": "de"}).status_code == 302  # the address stays
    user.refresh_from_db()
    assert (user.email, user.language) == ("new@example.org", "de")


# -- ways back in, and closed accounts


def follow(link: str, password: str = NEW):
    client = Client()
    opened = client.get(link, follow=True)
    answer = client.post(opened.request["PATH_INFO"], {"new_password1": password, "new_password2": password})
    return client, answer


def test_an_administrator_s_link_sets_a_password_once(user):
    chief = signed_in(UserFactory(is_staff=True))
    page = chief.post(reverse("administration"), {"person": user.pk, "act": "link"}).content.decode()
    link = re.search(r'value="http://testserver(/accounts/reset/[^"]+)"', page)[1]
    assert link not in chief.get(reverse("administration")).content.decode()
    client, answer = follow(link)
    assert answer.status_code == 302 and is_in(client)
    user.refresh_from_db()
    assert user.check_password(NEW)
    _client, again = follow(link, "another long passphrase here")
    assert "This link is void" in again.content.decode()


def test_a_link_is_of_nobody_else_and_not_of_a_closed_account(user):
    link = reset_link(user=user)
    stranger = UserFactory()
    from django.utils.encoding import force_bytes
    from django.utils.http import urlsafe_base64_encode

    forged = link.replace(urlsafe_base64_encode(force_bytes(user.pk)), urlsafe_base64_encode(force_bytes(stranger.pk)))
    assert "This link is void" in Client().get(forged, follow=True).content.decode()
    user.is_active = False
    user.save()
    assert "This link is void" in Client().get(link, follow=True).content.decode()
    with pytest.raises(WrongState, match="this account is closed"):
        reset_link(user=user)


def test_a_closed_account_lets_nobody_in_and_keeps_its_work(user):
    chief = UserFactory(is_staff=True)
    membership = MembershipFactory(user=user)
    client, secret = signed_in(user), token_of(user)
    signed_in(chief).post(reverse("administration"), {"person": user.pk, "act": "close"})
    assert not is_in(client)
    assert Client().get("/api/v1/me/", headers={"Authorization": f"Token {secret}"}).status_code == 401
    assert Client().post(reverse("sign-in"), {"username": "miller", "password": OLD}).status_code == 200
    membership.refresh_from_db()
    page = signed_in(chief).get(reverse("administration")).content.decode()
    assert "Open again" in page and membership.project.name in page
    user.refresh_from_db()
    open_account(user=user)
    assert Client().post(reverse("sign-in"), {"username": "miller", "password": OLD}).status_code == 302


def test_a_site_keeps_an_administrator():
    chief, second = UserFactory(is_staff=True), UserFactory(is_staff=True)
    with pytest.raises(WrongState, match="your own account"):
        close_account(user=chief, by=chief)
    close_account(user=chief, by=second)
    with pytest.raises(WrongState, match="at least one administrator"):
        close_account(user=second, by=chief)
