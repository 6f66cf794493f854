"""Coming in: attempts are limited by name and by address at every door, leave a trace, and tell no names."""

import logging
import threading
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from labeling.accounts import throttle
from labeling.accounts.models import SignInAttempt
from labeling.accounts.throttle import MOST_BY_ADDRESS, MOST_BY_NAME, WINDOW, TooManyAttempts
from tests.declined import assert_declined
from tests.factories import UserFactory
from tests.tokens import token_of

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
PAGE = SignInAttempt.Door.PAGE


@pytest.fixture(autouse=True)
def _quick_hashes(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def user():
    made = UserFactory(username="miller")
    made.set_password(PASSWORD)
    made.save()
    return made


def sign_in(name="miller", password="wrong", address="203.0.113.7", accept="text/html", client=None):
    return (client or Client()).post(
        reverse("sign-in"), {"username": name, "password": password},
        REMOTE_ADDR=address, headers={"Accept": accept},
    )  # fmt: skip


def test_after_ten_wrong_passwords_the_right_one_waits_too(user):
    for _attempt in range(MOST_BY_NAME):
        assert sign_in().status_code == 200
    declined = sign_in(password=PASSWORD)
    assert declined.status_code == 429
    assert 0 < int(declined["Retry-After"]) <= WINDOW.total_seconds()
    assert "Too many attempts to sign in. Wait 15 minutes" in declined.content.decode()
    assert "_auth_user_id" not in declined.wsgi_request.session


def test_a_name_without_an_account_is_answered_the_same(user):
    answers = {name: [sign_in(name).status_code for _ in range(MOST_BY_NAME + 2)] for name in ("miller", "nobody")}
    assert answers["miller"] == answers["nobody"] == [200] * MOST_BY_NAME + [429] * 2
    known, unknown = (sign_in(name).content.decode() for name in ("miller", "nobody"))
    assert known.replace("miller", "").count("nobody") == 0
    assert "do not belong" not in unknown and "Too many attempts" in known and "Too many attempts" in unknown


def test_look_alikes_of_a_name_count_together(user):
    for name in ["miller", "MILLER", "mi11er", "miller\u200b", "mіller"] * 2:
        sign_in(name)
    assert sign_in(password=PASSWORD).status_code == 429


def test_an_address_that_tries_many_names_is_stopped_and_others_are_not(user):
    for number in range(MOST_BY_ADDRESS):
        assert sign_in(f"name{number}").status_code == 200
    assert sign_in(password=PASSWORD).status_code == 429
    assert sign_in(password=PASSWORD, address="203.0.113.8").status_code == 302


def test_one_machine_has_a_whole_network_of_ipv6():
    def network(address):
        return throttle.network_of(RequestFactory().get("/", REMOTE_ADDR=address))

    assert network("2001:db8:1:2::1") == network("2001:db8:1:2:ffff::9") == "2001:db8:1:2::/64"
    assert network("::ffff:203.0.113.7") == network("203.0.113.7") == "203.0.113.7"
    assert network("unix") == network("") == ""


def test_signing_in_clears_the_failures_of_the_name_and_not_those_of_the_address(user):
    for _attempt in range(MOST_BY_NAME - 1):
        sign_in()
    assert sign_in(password=PASSWORD).status_code == 302
    assert [sign_in().status_code for _ in range(MOST_BY_NAME)] == [200] * MOST_BY_NAME
    assert SignInAttempt.objects.filter(address="203.0.113.7", succeeded=False).count() == 2 * MOST_BY_NAME - 1


def test_the_wait_ends(user):
    for _attempt in range(MOST_BY_NAME):
        sign_in()
    assert sign_in(password=PASSWORD).status_code == 429
    SignInAttempt.objects.update(at=timezone.now() - WINDOW - timedelta(seconds=1))
    assert sign_in(password=PASSWORD).status_code == 302


def test_each_failure_leaves_a_row_and_a_line_without_the_password(user, caplog):
    with caplog.at_level(logging.WARNING, "labeling.sign_in"):
        sign_in("mil\nler\x1b[31m" + "x" * 400, "secret of somebody")
    (row,) = SignInAttempt.objects.all()
    assert row.name.startswith("miller[31mxxx") and len(row.name) == 150
    assert (row.address, row.door, row.succeeded) == ("203.0.113.7", "page", False)
    (line,) = [record.getMessage() for record in caplog.records if record.name == "labeling.sign_in"]
    assert row.name in line and "203.0.113.7" in line and "\n" not in line
    assert "secret of somebody" not in caplog.text


@given(st.text(max_size=300))
def test_any_name_becomes_printable_and_short(name):
    shown = throttle.printable(name)
    assert len(shown) <= 150
    assert shown.isprintable() or shown == "" or all(c.isprintable() or c.isspace() for c in shown)
    assert len(throttle.name_key(name)) in (0, 64)


def test_the_workspace_hears_of_it_without_a_page(user):
    wrong = sign_in(accept="application/json")
    assert_declined(wrong, 401, code="wrong_password")
    client = Client()
    assert sign_in(password=PASSWORD, accept="application/json", client=client).status_code == 204
    assert client.get("/").status_code == 200
    for _attempt in range(MOST_BY_NAME):
        sign_in(accept="application/json")
    late = sign_in(password=PASSWORD, accept="application/json")
    assert (late.status_code, late.json()["code"]) == (429, "too_many_attempts") and late["Retry-After"]


def test_invitation_links_cannot_be_tried_out():
    links = [reverse("invitation", args=["MQ", f"abc-{number}"]) for number in range(MOST_BY_ADDRESS + 1)]
    codes = [Client().get(link).status_code for link in links]
    assert codes == [200] * MOST_BY_ADDRESS + [429]
    assert SignInAttempt.objects.filter(door="invitation").count() == MOST_BY_ADDRESS


def test_tokens_cannot_be_tried_out_and_a_right_one_works_all_the_same(user):
    client = Client()
    codes = [
        client.get(reverse("project-list"), headers={"Authorization": f"Token {number:040}"}).status_code
        for number in range(MOST_BY_ADDRESS + 1)
    ]
    assert codes == [401] * MOST_BY_ADDRESS + [429]
    right = token_of(user)
    assert client.get(reverse("project-list"), headers={"Authorization": f"Token {right}"}).status_code == 200


def test_old_attempts_are_deleted():
    SignInAttempt.objects.create(door=PAGE, name="old")
    SignInAttempt.objects.update(at=timezone.now() - throttle.KEPT_FOR - timedelta(days=1))
    SignInAttempt.objects.create(door=PAGE, name="new")
    assert throttle.forget_old(timezone.now()) == ["1 attempts to sign in are older than 90 days and deleted"]
    assert SignInAttempt.objects.get().name == "new"
    assert throttle.forget_old(timezone.now()) == []


@pytest.mark.django_db(transaction=True)
def test_attempts_at_the_same_moment_are_not_more(user):
    """Forty at once, as from several processes: no more than the limit are heard."""
    request = RequestFactory().post("/", REMOTE_ADDR="203.0.113.7")
    heard = []

    def attempt():
        try:
            heard.append(throttle.begin(request=request, door=PAGE, name="miller"))
        except TooManyAttempts:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=attempt) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= len(heard) <= MOST_BY_NAME
    assert settings.DATABASES["default"]["ENGINE"].endswith("postgresql")
