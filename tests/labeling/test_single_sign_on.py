"""Sign-in by OpenID Connect against a provider on this machine: who gets in, and every lie that is declined."""

import time
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import requests
from allauth.socialaccount.providers import registry
from django.test import Client
from django.urls import reverse

from labeling.accounts.models import SignInAttempt, User
from labeling.accounts.services import change_policy
from labeling.audit.models import Act, SecurityEvent
from labeling.server import environment
from labeling.server.environment import IdentityProvider
from tests.factories import UserFactory
from tests.factors import add_app, code_of, link
from tests.identity_provider import CLIENT, SECRET, identity_provider, new_key
from tests.labeling.pages import page_text, signed_in, toasts

pytestmark = pytest.mark.django_db
BEGIN = "/accounts/sign-in/oidc/begin/"
DECLINED = "You were not signed in."


@pytest.fixture
def provider(settings):
    from labeling.accounts.single_sign_on import Provider

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    with identity_provider() as running:
        known = registry.provider_map.copy()
        registry.register(Provider)
        configure(settings, running)
        yield running
        registry.provider_map.clear()
        registry.provider_map.update(known)


def configure(settings, running, **changed):
    oidc = IdentityProvider(running.address, CLIENT, SECRET, "Hospital", creates_accounts=False, checks_factor=False)
    settings.OIDC = replace(oidc, **changed)
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": settings.OIDC.as_allauth()}


def come(client, begin=BEGIN):
    """Press the button, go to the provider as a browser does, and come back. -> the answer of the address there"""
    to_provider = client.post(begin)
    there = to_provider["Refresh"].partition("url=")[2]
    back = requests.get(there, allow_redirects=False, timeout=10).headers["Location"]
    return client.get(back.partition("testserver")[2])


def is_signed_in(client):
    return client.get("/").status_code == 200


def linked_user(**about):
    user = UserFactory(**about)
    link(user, "subject-1")
    return user


# -- who gets in


def test_a_linked_account_enters(provider):
    user = linked_user()
    client = Client()
    assert "Sign in by Hospital" in page_text(client.get(reverse("sign-in")))
    assert come(client).status_code == 302
    assert client.session["_auth_user_id"] == str(user.pk)
    assert SecurityEvent.objects.filter(act=Act.SIGNED_IN, person=user.pk).exists()


def test_it_leads_to_the_page_that_was_asked_for_and_nowhere_else(provider):
    linked_user()
    assert come(Client(), f"{BEGIN}?next=/accounts/mine/").url == "/accounts/mine/"
    assert come(Client(), f"{BEGIN}?next=https://elsewhere.example/").url == "/"


def test_the_second_factor_of_the_account_is_asked_for(provider):
    user = linked_user()
    secret = add_app(user)
    client = Client()
    assert come(client).url == reverse("mfa_authenticate") and not is_signed_in(client)
    client.post(reverse("mfa_authenticate"), {"code": code_of(secret)})
    assert is_signed_in(client)


@pytest.mark.parametrize("checks_factor", [True, False])
def test_a_provider_may_answer_for_the_second_factor(provider, settings, checks_factor):
    configure(settings, provider, checks_factor=checks_factor)
    change_policy(projects="granted", people="managers", second_factor="everybody")
    linked_user()
    client = Client()
    come(client)
    assert is_signed_in(client) is checks_factor


def test_what_a_provider_says_of_one_person_serves_no_other(provider, settings):
    """Somebody else began to sign in by the provider in this browser, then a password comes."""
    configure(settings, provider, checks_factor=True)
    change_policy(projects="granted", people="managers", second_factor="everybody")
    add_app(linked_user())
    other = UserFactory(username="other")
    other.set_password("correct horse battery")
    other.save()
    client = Client()
    assert come(client).url == reverse("mfa_authenticate")
    client.post(reverse("sign-in"), {"username": "other", "password": "correct horse battery"})
    assert client.get("/").url == reverse("mfa_index")


def test_a_signed_in_person_links_their_account_after_the_password(provider):
    user = UserFactory()
    user.set_password("correct horse battery")
    user.save()
    client = signed_in(user)
    asked = come(client, f"{BEGIN}?process=connect")
    assert "/accounts/confirm/" in asked.url and not user.socialaccount_set.exists()
    client.post(reverse("account_reauthenticate"), {"password": "correct horse battery"})
    assert user.socialaccount_set.get().uid == "subject-1"
    assert SecurityEvent.objects.filter(act=Act.ACCOUNT_LINKED, person=user.pk).exists()


# -- who has no password here


def old_session(client):
    """As if the person had signed in an hour ago."""
    session = client.session
    session["began"] = time.time() - 3600
    session.save()


def without_password(**about):
    user = linked_user(**about)
    user.set_unusable_password()
    user.save()
    return user


def confirm_by_provider(client, provider, *, signed_in_ago=0):
    provider.claims |= {"auth_time": int(time.time()) - signed_in_ago}
    return come(client, f"{BEGIN}?confirm=1&next={reverse('account')}")


def test_who_has_no_password_changes_the_address_after_the_provider_has_asked(provider):
    user = without_password()
    client = Client()
    come(client)
    old_session(client)
    address = {"email": "new@hospital.example", "language": "en"}
    declined = client.post(reverse("account"), address)
    assert declined.status_code == 422 and "your sign-in is too old" in page_text(declined)
    assert "Confirm by Hospital" in page_text(client.get(reverse("account")))
    assert confirm_by_provider(client, provider).url == reverse("account")
    client.post(reverse("account"), address)
    user.refresh_from_db()
    assert user.email == "new@hospital.example"


def test_who_has_no_password_fetches_their_data_after_a_new_sign_in_alone(provider):
    without_password()
    client = Client()
    come(client)
    old_session(client)
    assert client.post(reverse("own-data")).status_code == 302
    confirm_by_provider(client, provider)
    assert client.post(reverse("own-data")).status_code == 200


def test_the_page_that_confirms_leads_to_the_provider(provider):
    without_password()
    client = Client()
    come(client)
    old_session(client)
    asked = client.get(reverse("mfa_activate_totp"), follow=True)
    assert asked.status_code == 200 and "Confirm by Hospital" in page_text(asked)
    confirm_by_provider(client, provider)
    assert client.get(reverse("mfa_activate_totp")).status_code == 200


def test_to_confirm_the_provider_is_told_to_ask_again(provider):
    there = Client().post(f"{BEGIN}?confirm=1")["Refresh"]
    asked = parse_qs(urlsplit(there.partition("url=")[2]).query)
    assert (asked["prompt"], asked["max_age"]) == (["login"], ["0"])


@pytest.mark.parametrize("stated", [3600, None])
def test_a_provider_that_did_not_ask_again_confirms_nothing(provider, stated):
    without_password()
    client = Client()
    come(client)
    old_session(client)
    provider.claims |= {"auth_time": stated and int(time.time()) - stated}
    assert toasts(come(client, f"{BEGIN}?confirm=1"))[0].startswith(DECLINED)
    assert client.post(reverse("own-data")).status_code == 302


def test_somebody_else_confirms_nothing_and_is_not_signed_in(provider):
    user = without_password()
    client = Client()
    come(client)
    old_session(client)
    other = UserFactory()
    link(other, "subject-2")
    provider.claims = {"sub": "subject-2"}
    assert toasts(confirm_by_provider(client, provider))[0].startswith(DECLINED)
    assert client.session["_auth_user_id"] == str(user.pk)
    assert client.post(reverse("own-data")).status_code == 302


def test_who_has_no_password_is_told_so_instead_of_a_form(provider):
    without_password()
    client = Client()
    come(client)
    page = page_text(client.get(reverse("account")))
    assert "an identity provider signs you in" in page and "New password" not in page
    answer = client.post(reverse("account-password"), {"old_password": "", "new_password1": "x", "new_password2": "x"})
    assert "You have no password here." in toasts(answer)[0]


# -- new accounts


def test_without_the_setting_nobody_gets_an_account(provider):
    client = Client()
    assert toasts(come(client))[0].startswith(DECLINED)
    assert not User.objects.exists() and not is_signed_in(client)


def test_with_the_setting_a_new_person_gets_one(provider, settings):
    configure(settings, provider, creates_accounts=True)
    client = Client()
    come(client)
    user = User.objects.get()
    assert (user.username, user.get_full_name(), user.email) == ("meyer", "Anna Meyer", "meyer@hospital.example")
    assert not user.has_usable_password() and not user.is_staff and is_signed_in(client)
    come(Client())
    assert User.objects.count() == 1


def test_an_unverified_address_is_not_kept(provider, settings):
    configure(settings, provider, creates_accounts=True)
    provider.claims = {"email_verified": False}
    come(Client())
    assert User.objects.get().email == ""


@pytest.mark.parametrize("email_verified", [True, False, None, "true"])
@pytest.mark.parametrize("email", ["boss@hospital.example", "BOSS@Hospital.example"])
def test_the_address_of_an_account_opens_it_to_nobody(provider, settings, email, email_verified):
    configure(settings, provider, creates_accounts=True)
    boss = UserFactory(username="boss", email="boss@hospital.example", is_staff=True)
    provider.claims = {"email": email, "email_verified": email_verified, "preferred_username": "mallory"}
    client = Client()
    assert toasts(come(client))[0].startswith(DECLINED)
    assert not is_signed_in(client) and User.objects.get() == boss and not boss.socialaccount_set.exists()


@pytest.mark.parametrize("username", ["boss", "B0SS", "bоss", "admin", "", "x" * 200, "a b", None, 7])
def test_a_name_that_is_taken_reserved_or_none_makes_no_account(provider, settings, username):
    configure(settings, provider, creates_accounts=True)
    UserFactory(username="boss")
    UserFactory(username="7")
    provider.claims = {"preferred_username": username}
    client = Client()
    assert toasts(come(client))[0].startswith(DECLINED)
    assert not is_signed_in(client) and User.objects.count() == 2


# -- answers that lie

LIES = {
    "wrong nonce": lambda provider: {"nonce": "of another request"},
    "no nonce": lambda provider: {"nonce": None},
    "wrong issuer": lambda provider: {"iss": "https://elsewhere.example"},
    "no issuer": lambda provider: {"iss": None},
    "wrong audience": lambda provider: {"aud": "another client"},
    "no audience": lambda provider: {"aud": None},
    "several audiences, asked for by another": lambda provider: {"aud": [CLIENT, "other"], "azp": "other"},
    "several audiences, nobody named": lambda provider: {"aud": [CLIENT, "other"]},
    "expired": lambda provider: {"exp": 1, "iat": 0},
    "never expires": lambda provider: {"exp": None},
    "from the future": lambda provider: {"iat": 2**40, "nbf": 2**40},
    "of nobody": lambda provider: {"sub": None},
}


@pytest.mark.parametrize("lie", LIES)
def test_an_answer_that_lies_signs_nobody_in(provider, lie):
    linked_user()
    provider.claims = LIES[lie](provider)
    declined(provider)


def declined(provider):
    client = Client()
    assert toasts(come(client))[0].startswith(DECLINED)
    assert not is_signed_in(client)
    assert SignInAttempt.objects.get().door == "provider"


SIGNATURES = {
    "another key": lambda provider: (new_key(), "RS256"),
    "none": lambda provider: ("", "none"),
    "the public key as a shared secret": lambda provider: ("x" * 64, "HS256"),
    "the secret of the client": lambda provider: (SECRET * 4, "HS256"),
}


@pytest.mark.parametrize("signature", SIGNATURES)
def test_an_answer_with_another_signature_signs_nobody_in(provider, signature):
    linked_user()
    provider.key, provider.algorithm = SIGNATURES[signature](provider)
    declined(provider)


def test_an_unknown_key_signs_nobody_in(provider):
    linked_user()
    provider.key_number = "key-2"
    declined(provider)


def test_an_answer_without_a_token_signs_nobody_in(provider):
    linked_user()
    provider.sends_token = False
    declined(provider)


def test_a_state_of_another_browser_signs_nobody_in(provider):
    """Somebody hands the end of their own sign-in to another browser."""
    linked_user()
    there = Client().post(BEGIN)["Refresh"].partition("url=")[2]
    back = requests.get(there, allow_redirects=False, timeout=10).headers["Location"].partition("testserver")[2]
    victim = Client()
    assert toasts(victim.get(back))[0].startswith(DECLINED) and not is_signed_in(victim)
    client = Client()
    client.post(BEGIN)
    assert toasts(client.get(f"{reverse('openid_connect_callback', args=['oidc'])}?code=code-0&state=x"))
    assert not is_signed_in(client)


def test_an_answer_is_used_once(provider):
    linked_user()
    client = Client()
    there = client.post(BEGIN)["Refresh"].partition("url=")[2]
    back = requests.get(there, allow_redirects=False, timeout=10).headers["Location"].partition("testserver")[2]
    assert client.get(back).status_code == 302 and is_signed_in(client)
    client.post(reverse("sign-out"))
    client.get(back)
    assert not is_signed_in(client)


@pytest.mark.parametrize("page", ["discovery", "keys", "tokens"])
@pytest.mark.parametrize("document", [{}, [], None, "x", {"keys": [{}]}, {"keys": 7}])
def test_what_is_no_provider_signs_nobody_in_and_is_no_fault_of_ours(provider, page, document):
    linked_user()
    client = Client()
    there = client.post(BEGIN)["Refresh"].partition("url=")[2]
    back = requests.get(there, allow_redirects=False, timeout=10).headers["Location"].partition("testserver")[2]
    setattr(provider, page, lambda *_given: (200, document) if page == "tokens" else document)
    answer = client.get(back)
    assert answer.status_code == 302 and toasts(answer) and not is_signed_in(client)
    assert Client().post(BEGIN).status_code in (200, 302)


def test_a_provider_that_is_down_is_a_sentence(provider, settings):
    configure(settings, provider, issuer="http://127.0.0.1:9")
    answer = Client().post(BEGIN)
    assert answer.status_code == 302 and "Hospital does not answer now." in toasts(answer)[0]


def test_a_closed_account_does_not_enter(provider):
    linked_user(is_active=False)
    client = Client()
    come(client)
    assert not is_signed_in(client)


def test_what_the_browser_asks_for_reaches_neither_scope_nor_parameters(provider):
    there = Client().post(f"{BEGIN}?scope=admin&auth_params=nonce%3Dx%26prompt%3Dnone")["Refresh"]
    asked = parse_qs(urlsplit(there.partition("url=")[2]).query)
    assert set(asked["scope"][0].split()) == {"openid", "profile", "email"} and "prompt" not in asked
    assert len(asked["nonce"][0]) > 40 and asked["code_challenge_method"] == ["S256"]
    assert Client().get(BEGIN).status_code == 405


# -- without a provider, and half-configured


def test_without_a_provider_there_is_no_such_page():
    assert Client().post(BEGIN).status_code == 404
    assert Client().get(reverse("openid_connect_callback", args=["oidc"])).status_code == 404
    assert "Sign in by" not in page_text(Client().get(reverse("sign-in")))


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ({"OIDC_ISSUER": "http://id.hospital.example"}, "https"),
        ({"OIDC_ISSUER": "https://id.hospital.example"}, "OIDC_CLIENT_SECRET"),
        ({"OIDC_ISSUER": "https://id.hospital.example", "OIDC_CLIENT_SECRET": "x"}, "OIDC_CLIENT_ID"),
    ],
)
def test_a_half_configured_provider_stops_the_start(monkeypatch, named, words):
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match=words):
        environment.identity_provider()


def test_the_library_signs_as_the_tests_believe(provider):
    """The oracle of the table of lies: an honest token is valid under the key that the provider publishes."""
    token = provider.id_token("n")
    key = jwt.PyJWKSet.from_dict(provider.keys()).keys[0]
    assert jwt.decode(token, key, algorithms=["RS256"], audience=CLIENT)["nonce"] == "n"
