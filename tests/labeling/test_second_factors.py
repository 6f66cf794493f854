"""Second factors: no way in goes round one, a required one comes first, lost ones are removed, all is logged."""

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.contrib.auth.tokens import default_token_generator
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from labeling.accounts.models import SignInAttempt
from labeling.accounts.second_factors import has_factor, may_unlink
from labeling.accounts.services import change_policy, reset_link
from labeling.accounts.throttle import MOST_BY_NAME
from labeling.audit.models import Act, SecurityEvent
from tests.declined import assert_declined
from tests.factories import UserFactory
from tests.factors import add_app, add_passkey, code_of, link
from tests.labeling.pages import page_text, signed_in, toasts
from tests.tokens import token_headers

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
NEW = "staple quiet orange lamp"


@pytest.fixture(autouse=True)
def _quick_hashes(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    cache.clear()


@pytest.fixture
def user():
    made = UserFactory(username="miller", first_name="", last_name="")
    made.set_password(PASSWORD)
    made.save()
    return made


@pytest.fixture
def secret(user):
    return add_app(user)


def with_password(client=None, accept="text/html", next=""):
    sent = {"username": "miller", "password": PASSWORD, "next": next}
    return (client or Client()).post(reverse("sign-in"), sent, headers={"Accept": accept})


def give_code(client, code):
    return client.post(reverse("mfa_authenticate"), {"code": code})


def is_signed_in(client):
    return client.get("/").status_code == 200


# -- signing in


def test_the_password_alone_opens_nothing_and_the_code_leads_on(user, secret):
    client = Client()
    assert with_password(client, next="/accounts/mine/").url == reverse("mfa_authenticate")
    assert not is_signed_in(client)
    assert "Enter the code of your app" in page_text(client.get(reverse("mfa_authenticate")))
    assert give_code(client, "000000").status_code == 200 and not is_signed_in(client)
    assert give_code(client, code_of(secret)).url == "/accounts/mine/"
    assert is_signed_in(client)


def test_a_code_works_once(user, secret):
    code = code_of(secret)
    for outcome in (True, False):
        client = Client()
        with_password(client)
        give_code(client, code)
        assert is_signed_in(client) is outcome


def test_a_recovery_code_stands_in_once(user, secret):
    code = RecoveryCodes.activate(user).get_unused_codes()[0]
    for outcome in (True, False):
        client = Client()
        with_password(client)
        give_code(client, code)
        assert is_signed_in(client) is outcome


def test_codes_cannot_be_tried_out_even_by_who_knows_the_password(user, secret, settings):
    """The right password in between does not clear the count."""
    settings.ACCOUNT_RATE_LIMITS = False  # allauth's own limit, so that ours is seen
    answers = []
    for _attempt in range(MOST_BY_NAME):
        client = Client()
        answers.append(with_password(client).status_code)
        answers.append(give_code(client, "000000").status_code)
    assert 429 in answers
    late = Client()
    assert with_password(late).status_code == 429
    assert SignInAttempt.objects.filter(door="factor", succeeded=False).exists()
    assert SecurityEvent.objects.filter(act=Act.SIGN_IN_FAILED, details__door="factor", subject="miller").exists()


def test_the_limit_tells_nothing_about_the_code(user, secret):
    client = Client()
    with_password(client)
    for number in range(MOST_BY_NAME):
        give_code(client, f"{number:06}")
    declined = give_code(client, code_of(secret))
    assert declined.status_code == 429 and declined["Retry-After"] and not is_signed_in(client)


def test_the_limit_of_allauth_is_counted_in_the_shared_cache(user, secret, settings):
    assert "redis" in settings.CACHES["default"]["BACKEND"].lower()
    client = Client()
    with_password(client)
    answers = [page_text(give_code(client, "000000")) for _ in range(6)]
    assert "Too many" in answers[-1]


def test_no_link_goes_round_the_factor(user, secret):
    client = Client()
    form = client.get(reset_link(user=user), follow=True)
    address = form.redirect_chain[-1][0]
    answer = client.post(address, {"new_password1": NEW, "new_password2": NEW})
    assert answer.url == reverse("mfa_authenticate") and not is_signed_in(client)
    user.refresh_from_db()
    assert user.check_password(NEW) and not default_token_generator.check_token(user, "x")


def test_the_workspace_hears_that_a_factor_is_missing(user, secret):
    answer = with_password(accept="application/json")
    assert_declined(answer, 409, code="second_factor")


def test_a_closed_account_does_not_enter_with_its_factor(user, secret):
    client = Client()
    with_password(client)
    user.is_active = False
    user.save()
    give_code(client, code_of(secret))
    assert not is_signed_in(client)


def test_tokens_of_programs_are_not_asked_for_a_factor(user, secret):
    change_policy(projects="granted", people="managers", second_factor="everybody")
    assert Client().get(reverse("project-list"), headers=token_headers(user)).status_code == 200


def test_secrets_lie_encrypted_in_the_database(user, secret, settings):
    kept = Authenticator.objects.get(user=user).data["secret"]
    assert secret not in kept
    settings.SECRET_KEY = "another key of at least thirty-two characters"
    assert not Authenticator.objects.get(user=user).wrap().validate_code(code_of(secret))


# -- adding and removing one's own


def confirm(client, password=PASSWORD):
    return client.post(reverse("account_reauthenticate"), {"password": password})


@pytest.mark.parametrize(
    "route", ["mfa_activate_totp", "mfa_add_webauthn", "mfa_deactivate_totp", "mfa_generate_recovery_codes"]
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_stranger_at_an_open_browser_changes_no_factor(user, secret, route, method):
    if route == "mfa_activate_totp":
        Authenticator.objects.all().delete()
    before = Authenticator.objects.count()
    answer = getattr(signed_in(user), method)(reverse(route))
    assert answer.status_code == 302 and "/accounts/confirm/" in answer.url
    assert Authenticator.objects.count() == before


def test_wrong_passwords_at_the_confirmation_count_as_at_sign_in(user):
    client = signed_in(user)
    codes = [confirm(client, "wrong").status_code for _ in range(MOST_BY_NAME + 1)]
    assert codes[-1] == 429
    assert confirm(client).status_code == 429


def test_an_app_is_added_shown_and_removed(user):
    client = signed_in(user)
    assert confirm(client).status_code == 302
    page = client.get(reverse("mfa_activate_totp"))
    assert b"data:image/svg+xml" in page.content
    secret = page.context["form"].secret
    assert client.post(reverse("mfa_activate_totp"), {"code": "000000"}).status_code == 200
    assert not has_factor(user)
    assert client.post(reverse("mfa_activate_totp"), {"code": code_of(secret)}).url == reverse(
        "mfa_view_recovery_codes"
    )
    assert has_factor(user)
    codes = page_text(client.get(reverse("mfa_view_recovery_codes")))
    assert RecoveryCodes.activate(user).get_unused_codes()[0] in codes
    assert "set up" in page_text(client.get(reverse("mfa_index")))
    assert client.post(reverse("mfa_deactivate_totp")).status_code == 302
    assert not Authenticator.objects.filter(user=user).exists()
    acts = set(SecurityEvent.objects.values_list("act", flat=True))
    assert {Act.SECOND_FACTOR_ADDED, Act.RECOVERY_CODES_CREATED, Act.SECOND_FACTOR_REMOVED} <= acts


def test_somebody_elses_passkey_is_not_there(user):
    other = add_passkey(UserFactory())
    client = signed_in(user)
    confirm(client)
    assert client.post(reverse("mfa_remove_webauthn", args=[other.pk])).status_code == 404
    assert Authenticator.objects.filter(pk=other.pk).exists()


def test_a_false_passkey_signs_nobody_in(user):
    add_passkey(user)
    for credential in ("{}", "[]", "null", '{"response": {"userHandle": "MQ"}}', "x"):
        client = Client()
        answer = client.post(reverse("mfa_login_webauthn"), {"credential": credential})
        assert answer.status_code in (200, 302) and not is_signed_in(client)


# -- a site that requires one


@pytest.mark.parametrize(
    ("required", "is_staff", "is_asked"),
    [
        ("nobody", True, False),
        ("administrators", True, True),
        ("administrators", False, False),
        ("everybody", False, True),
    ],
)  # fmt: skip
def test_who_must_have_one_adds_it_before_anything_else(user, required, is_staff, is_asked):
    user.is_staff = is_staff
    user.save()
    change_policy(projects="granted", people="managers", second_factor=required)
    client = Client()
    with_password(client)
    answers = client.get("/"), client.get(reverse("project-list")), client.get("/", headers={"HX-Request": "true"})
    if not is_asked:
        assert [answer.status_code for answer in answers] == [200, 200, 200]
        return
    assert answers[0].url == answers[2]["HX-Redirect"] == reverse("mfa_index")
    assert_declined(answers[1], 403, code="second_factor_required")
    confirm(client)
    secret = client.get(reverse("mfa_activate_totp")).context["form"].secret
    client.post(reverse("mfa_activate_totp"), {"code": code_of(secret)})
    assert is_signed_in(client)
    assert client.post(reverse("mfa_deactivate_totp")).status_code == 200 and has_factor(user)


@pytest.mark.parametrize("authorization", ["x", "Basic bWlsbGVyOng=", "Token\xa0x", "Bearer x"])
def test_a_header_without_a_token_opens_nothing(user, authorization):
    """The API takes the session where a header holds no token; pages always take it."""
    change_policy(projects="granted", people="managers", second_factor="everybody")
    client = Client()
    with_password(client)
    headers = {"Authorization": authorization}
    assert client.get("/", headers=headers).status_code == 302
    assert client.get("/", headers=token_headers(user)).status_code == 302
    assert client.get(reverse("project-list"), headers=headers).status_code == 403
    assert client.get(reverse("project-list"), headers=token_headers(user)).status_code == 200


def test_without_a_required_factor_no_token_is_created_and_no_file_leaves(user):
    change_policy(projects="granted", people="managers", second_factor="everybody")
    client = Client()
    with_password(client)
    token = {"name": "notebook", "scope": "manage", "days": 90}
    assert client.post(reverse("account-tokens"), token).url == reverse("mfa_index")
    assert client.post(reverse("own-data"), {"password": PASSWORD}).url == reverse("mfa_index")
    assert not user.personal_tokens.exists()


def test_requiring_one_ends_the_sessions_of_who_has_none(user):
    admin = UserFactory(is_staff=True)
    add_app(admin)
    client, person = signed_in(admin), signed_in(user)
    chosen = {"projects": "granted", "people": "managers", "second_factor": "everybody"}
    assert toasts(client.post(reverse("administration"), chosen)) == ["Saved."]
    assert not is_signed_in(person) and is_signed_in(client)
    assert SecurityEvent.objects.filter(act=Act.POLICY_CHANGED, subject="second_factor").exists()


@pytest.mark.parametrize("second_factor", [{}, {"second_factor": "everybody"}])
def test_another_change_of_the_policy_ends_no_session(user, second_factor):
    """Neither a page that is older than the choice, nor a choice that stays: somebody may be adding a factor."""
    admin = UserFactory(is_staff=True)
    add_app(admin)
    change_policy(projects="granted", people="managers", second_factor="everybody" if second_factor else "nobody")
    client, person = signed_in(admin), signed_in(user)
    answer = client.post(reverse("administration"), {"projects": "everybody", "people": "managers", **second_factor})
    assert toasts(answer) == ["Saved."]
    assert person.get(reverse("mfa_index")).status_code == 200


def test_an_administrator_removes_lost_factors(user, secret):
    client, person = signed_in(UserFactory(is_staff=True)), signed_in(user)
    assert "Remove second factors" in page_text(client.get(reverse("administration")))
    client.post(reverse("administration"), {"person": user.pk, "act": "factors"})
    assert not has_factor(user) and not is_signed_in(person)
    row = SecurityEvent.objects.get(act=Act.SECOND_FACTOR_REMOVED)
    assert row.subject == "miller" and row.person != user.pk


def test_a_linked_account_stays_while_it_is_the_only_way_in(user, settings):
    user.set_unusable_password()
    user.save()
    linked = link(user)
    client = signed_in(user)
    answer = client.post(reverse("unlink-account", args=[linked.pk]))
    assert answer.status_code == 302
    assert user.socialaccount_set.exists()
    assert Session.objects.exists()


@pytest.mark.parametrize(("signs_in_alone", "unlinks"), [(True, True), (False, False)])
def test_only_a_passkey_that_signs_in_alone_is_another_way_in(user, signs_in_alone, unlinks):
    user.set_unusable_password()
    user.save()
    add_passkey(user, signs_in_alone=signs_in_alone)
    assert may_unlink(user) is unlinks
