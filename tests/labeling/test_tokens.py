"""Personal tokens: what a program may do with one, until when, and that nothing else comes in by it."""

import re
from datetime import timedelta

import pytest
import redis
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labeling.accounts import rates, tokens
from labeling.accounts.models import PersonalToken, SignInAttempt, User
from labeling.accounts.scopes import scope_of
from labeling.accounts.throttle import MOST_BY_ADDRESS
from labeling.accounts.tokens import create_token, revoke_token
from labeling.api import former_routes, routes
from labeling.errors import Invalid, LabelingError
from labeling.projects.models import Project, Role
from tests.declined import assert_declined
from tests.factories import MembershipFactory, ProjectFactory, UserFactory
from tests.labeling.pages import signed_in
from tests.labeling.test_access import MATRIX
from tests.labeling.test_access import module_study as module_study
from tests.labeling.test_access import study as study
from tests.tokens import token_headers, token_of

pytestmark = pytest.mark.django_db

# What a token of the scope annotate may do besides reading. Everything that is not named here needs manage.
ANNOTATE = {
    ("post", "gallery-map"),
    ("post", "gallery-likeness"), ("post", "image-workspace"), ("post", "image-smart"), ("post", "image-refusion"),
    ("post", "image-refusion-former"), ("post", "layer-presence"), ("post", "layer-operations"), ("post", "activity"),
    ("post", "item-next"), ("post", "item-review"), ("post", "item-begin"), ("post", "item-renew"),
    ("post", "item-finish"), ("post", "item-skip"), ("post", "item-release"), ("post", "item-accept"),
    ("post", "item-send-back"), ("post", "image-comments"), ("post", "image-comments-seen"), ("post", "comment-reply"),
    ("post", "comment-resolve"), ("post", "comment-reopen"), ("post", "export-list"), ("post", "job-cancel"),
    ("post", "image-accept"), ("post", "image-reject"), ("post", "image-relabel"),
    ("post", "gallery-screens"), ("post", "gallery-screen-undo"), ("post", "certificate-cells"),
    ("post", "certificate-fields"),
    ("post", "attempt-list"), ("post", "attempt-field-open"), ("post", "attempt-field-finish"),
    ("post", "guideline-read"), ("post", "notification-seen"),
}  # fmt: skip
WRITES = [what for what in MATRIX if what[0] != "get"]


def made(user: User, scope: str = "manage", days: int = 1) -> tokens.NewToken:
    return create_token(user=user, name="a notebook", scope=scope, days=days)


def ask(secret: str, address: str = "", client: Client | None = None):
    there = address or reverse("project-list")
    return (client or Client()).get(there, headers={"Authorization": f"Token {secret}"})


def test_the_scope_of_every_method_of_every_route():
    needed = {}
    for route in [*routes(), *former_routes()]:
        view = route.callback.cls
        verbs = [verb for verb in ("get", "post", "put", "patch", "delete") if hasattr(view, verb)]
        needed |= {(verb, route.name): scope_of(view, verb.upper()) for verb in verbs}
    gets = {what for what in needed if what[0] == "get"}
    assert {what for what, scope in needed.items() if scope == "read"} == gets
    assert {what for what, scope in needed.items() if scope == "annotate"} == ANNOTATE


@pytest.mark.parametrize("what", WRITES, ids="-".join)
def test_a_token_that_reads_never_writes(what, study):
    """Every route and verb that is no GET, by the owner of the project."""
    method, route = what
    send = getattr(Client(), method)
    for scope in ("read", "annotate"):
        headers = token_headers(study.people["owner"], scope)
        answer = send(study.url(route), study.body(route), content_type="application/json", headers=headers)
        is_allowed = scope == "annotate" and what in ANNOTATE
        is_declined = answer.status_code == 403 and answer.json()["code"] == "scope_too_narrow"
        assert is_declined != is_allowed, answer.content


@pytest.mark.parametrize("scope", PersonalToken.Scope.values)
def test_every_token_reads(scope, study):
    assert ask(token_of(study.people["viewer"], scope), study.url("project-detail")).status_code == 200


def test_a_token_reaches_no_further_than_its_person(study):
    address = study.url("project-archive")
    for who, status in (("viewer", 403), ("stranger", 404), ("manager", 200)):
        answer = Client().post(address, headers=token_headers(study.people[who]))
        assert answer.status_code == status
    member = study.project.memberships.get(role=Role.VIEWER)
    secret = token_of(member.user)
    address = study.url("project-detail")
    assert ask(secret, address).status_code == 200
    member.delete()
    assert ask(secret, address).status_code == 404


# -- how a token ends


def expire(token: tokens.NewToken) -> None:
    day = timedelta(days=2)
    PersonalToken.objects.update(made_at=timezone.now() - day, expires_at=timezone.now() - timedelta(seconds=1))


def revoke(token: tokens.NewToken) -> None:
    revoke_token(token=token.token)


def new_password(token: tokens.NewToken) -> None:
    user = User.objects.get(pk=token.token.user_id)
    user.set_password("another very good one")
    user.save()


def close_account(token: tokens.NewToken) -> None:
    user = User.objects.get(pk=token.token.user_id)
    user.is_active = False
    user.save(update_fields=["is_active"])


ENDS = {
    expire: "token_expired",
    revoke: "token_revoked",
    new_password: "token_revoked",
    close_account: "account_closed",
}


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
def test_a_token_that_has_ended_says_why_and_lets_nobody_in(end):
    token = made(UserFactory())
    assert ask(token.secret).status_code == 200
    end(token)
    answer = ask(token.secret)
    assert_declined(answer, 401, code=ENDS[end])
    assert answer["WWW-Authenticate"] == "Token"


def test_an_account_that_is_opened_again_gets_no_old_token_back():
    token = made(UserFactory())
    close_account(token)
    User.objects.filter(pk=token.token.user_id).update(is_active=True)
    assert ask(token.secret).json()["code"] == "token_revoked"


def test_signing_in_ends_no_token(settings):
    """Django writes the hash of a password anew when its way of hashing becomes stronger; the password is the same."""
    hashers = "django.contrib.auth.hashers."
    settings.PASSWORD_HASHERS = [f"{hashers}MD5PasswordHasher"]
    user = UserFactory()
    user.set_password("a very good one")
    user.save()
    token = made(user)
    before = user.password
    settings.PASSWORD_HASHERS = [f"{hashers}ScryptPasswordHasher", f"{hashers}MD5PasswordHasher"]
    assert user.check_password("a very good one")
    user.refresh_from_db()
    assert user.password != before
    assert ask(token.secret).status_code == 200


def test_a_script_with_an_old_token_does_not_lock_its_colleagues_out():
    old = made(UserFactory())
    revoke(old)
    codes = {ask(old.secret).status_code for _ in range(MOST_BY_ADDRESS + 5)}
    assert codes == {401} and not SignInAttempt.objects.exists()
    assert ask(tokens.PREFIX + "x" * 43).json()["code"] == "token_unknown"
    assert SignInAttempt.objects.filter(door="token").count() == 1


def test_when_it_was_used_is_noted_to_ten_minutes(django_assert_num_queries):
    token = made(UserFactory())
    assert token.token.last_used_at is None
    ask(token.secret)
    first = PersonalToken.objects.get().last_used_at
    ask(token.secret)
    assert PersonalToken.objects.get().last_used_at == first is not None
    PersonalToken.objects.update(last_used_at=first - timedelta(minutes=11))
    ask(token.secret)
    assert PersonalToken.objects.get().last_used_at > first


# -- what is kept, and where it works


def test_the_secret_is_stored_nowhere():
    token = made(UserFactory())
    row = PersonalToken.objects.values().get()
    assert token.secret not in str(row) and token.secret.startswith("bxw_") and len(token.secret) == 47
    assert made(token.token.user).secret != token.secret


@pytest.mark.parametrize("page", ["home", "account", "new-project", "api-page"])
def test_no_page_opens_by_a_token(page):
    answer = ask(token_of(UserFactory(is_staff=True, creates_projects=True)), reverse(page))
    assert answer.status_code == 302 and answer["Location"].startswith("/accounts/sign-in/")


def test_a_token_needs_no_csrf_and_a_session_does(study):
    strict = Client(enforce_csrf_checks=True)
    address = study.url("comment-resolve")
    assert strict.post(address, headers=token_headers(study.people["owner"])).status_code == 200
    strict.force_login(study.people["owner"])
    assert strict.post(address).status_code == 403


def test_requests_of_a_token_are_counted_and_those_of_a_browser_are_not(settings):
    settings.API_REQUESTS_PER_MINUTE = 3
    user = UserFactory()
    secret = token_of(user)
    answers = [ask(secret) for _ in range(5)]
    late = [answer for answer in answers if answer.status_code == 429]
    assert answers[0]["RateLimit-Limit"] == "3" and answers[0]["RateLimit-Remaining"] == "2"
    assert 1 <= int(answers[0]["RateLimit-Reset"]) <= 60
    assert late and late[0].json()["code"] == "throttled" and int(late[0]["Retry-After"]) <= 60  # 2, or fewer at :00
    assert ask(token_of(user)).status_code == 200  # each token has its own
    page = signed_in(user)
    assert {page.get(reverse("project-list")).status_code for _ in range(5)} == {200}
    assert "RateLimit-Limit" not in page.get(reverse("project-list"))


def test_nobody_is_stopped_while_nobody_counts(monkeypatch, settings):
    settings.API_REQUESTS_PER_MINUTE = 0

    def away():
        raise redis.ConnectionError

    monkeypatch.setattr(rates, "client", lambda: type("Away", (), {"pipeline": lambda *a, **k: away()})())
    assert ask(token_of(UserFactory())).status_code == 200


@pytest.mark.parametrize(
    ("field", "change"),
    [("name", {"name": " "}), ("name", {"name": "a\nb"}), ("name", {"name": "x" * 101}), ("scope", {"scope": "own"}),
     ("days", {"days": 0}), ("days", {"days": 367})],
)  # fmt: skip
def test_what_no_token_can_be(field, change):
    with pytest.raises(Invalid) as error:
        create_token(**{"user": UserFactory(), "name": "x", "scope": "read", "days": 1} | change)
    assert error.value.field == field


@pytest.mark.parametrize("change", [{"scope": "own"}, {"expires_at": timezone.now() - timedelta(days=9)}])
def test_the_database_keeps_the_rules(change):
    made(UserFactory())
    with pytest.raises(IntegrityError), transaction.atomic():
        PersonalToken.objects.update(**change)


def test_nobody_collects_tokens_without_end(monkeypatch):
    monkeypatch.setattr(tokens, "MOST_OPEN", 2)
    user = UserFactory()
    first = made(user)
    made(user)
    with pytest.raises(LabelingError, match="revoke one"):
        made(user)
    revoke(first)
    made(user)


# -- the page


FORM = {"name": "my script", "scope": "read", "days": "30"}


def test_a_token_is_made_shown_once_and_revoked_on_the_account_page():
    user = UserFactory()
    page = signed_in(user)
    shown = page.post(reverse("account-tokens"), FORM).content.decode()
    secret = re.search(r"bxw_[\w-]{43}", shown)
    assert secret and ask(secret[0]).status_code == 200
    later = page.get(reverse("account")).content.decode()
    assert "bxw_" not in later and "my script" in later
    number = user.personal_tokens.get().pk
    stranger = signed_in(UserFactory())
    assert stranger.post(reverse("account-token", args=[number])).status_code == 404
    assert page.post(reverse("account-token", args=[number])).status_code == 302
    assert ask(secret[0]).json()["code"] == "token_revoked"
    assert "my script" not in page.get(reverse("account")).content.decode()


def test_a_wrong_form_comes_back_as_it_was_filled_in():
    page = signed_in(UserFactory())
    answer = page.post(reverse("account-tokens"), FORM | {"name": "", "scope": "annotate"})
    text = answer.content.decode()
    assert (
        answer.status_code == 422
        and '<option value="annotate" selected>' in text
        and not PersonalToken.objects.exists()
    )
    assert page.post(reverse("account-tokens"), FORM | {"days": "4000"}).status_code == 422


def test_no_address_of_the_api_makes_a_token():
    assert not [route.name for route in routes() if "token" in route.name]


# -- the command


def test_the_command_makes_a_token(capsys):
    user = UserFactory()
    call_command("create_token", user.username, "--scope", "read", "--days", "3")
    assert ask(capsys.readouterr().out.strip()).status_code == 200
    with pytest.raises(CommandError, match="no account"):
        call_command("create_token", "nobody")


def test_a_stranger_s_token_sees_an_empty_list():
    MembershipFactory(project=ProjectFactory())
    assert ask(token_of(UserFactory())).json()["items"] == [] and Project.objects.exists()
