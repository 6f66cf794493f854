"""What was wrong in other tools and must not be wrong here; docs/security_advisories.md lists it, whole."""

import ast
import base64
import json
import re
from itertools import chain
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.test import Client
from django.urls import NoReverseMatch, reverse

from labeling.accounts.forms import AccountForm, InvitationForm
from labeling.accounts.models import User
from labeling.images.models import Image
from labeling.site import study_urls, urls
from labeling.site.forms.team import JoinForm
from tests.factories import ImageFactory, LabelClassFactory, MembershipFactory, ProjectFactory, UserFactory, png
from tests.labeling.pages import address, make_study, signed_in, with_workflow
from tests.labeling.uploads import upload

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]
TABLE = (ROOT / "docs" / "security_advisories.md").read_text()
REFERENCE = re.compile(r"#/components/schemas/(\w+)")
MARKUP = "<img src=x onerror=alert(1)>"
# Section 5.2 of the study of the field, in its order.
ADVISORIES = [
    "CVE-2022-31188", "CVE-2024-37164", "CVE-2022-36551", "CVE-2023-47116", "CVE-2025-25297",
    "CVE-2026-85179", "CVE-2024-45393", "CVE-2024-47172", "GHSA-m7p7-6w4m-886p", "GHSA-7xhx-3q27-xvcx",
    "CVE-2025-48381", "CVE-2026-85211", "CVE-2026-22033", "CVE-2026-23526", "CVE-2023-43791",
    "CVE-2023-47117", "CVE-2026-65986", "CVE-2026-73220", "GHSA-q68h-xwq5-mm7x", "CVE-2024-23633",
    "CVE-2024-26152", "CVE-2025-25296", "CVE-2025-47783", "CVE-2024-37306", "CVE-2026-47682",
    "GHSA-x396-w86c-gf6w", "GHSA-cpmr-mw4j-99r7", "CVE-2025-25295", "CVE-2025-23045", "CVE-2025-5173",
    "CVE-2025-58756", "CVE-2025-58757", "CVE-2025-54573",
]  # fmt: skip


def test_every_advisory_has_a_row_with_a_test():
    rows = [line.split("|") for line in TABLE.splitlines() if re.match(r"\| (CVE|GHSA)-", line)]
    assert [row[1].strip() for row in rows] == ADVISORIES
    assert len(ADVISORIES) == 33
    assert all("::test_" in row[4] for row in rows)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(tests/\S+?::test_\w+)`", TABLE))))
def test_a_named_test_exists(name):
    path, _, function = name.partition("::")
    tree = ast.parse((ROOT / path).read_text())
    assert function in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


# -- addresses that the server fetches


def test_no_address_of_a_server_is_taken_from_people_but_the_webhook():
    """Whatever the API takes that reads like an address is the webhook's, which has a guard of its own."""
    schema = json.loads((ROOT / "docs" / "openapi.json").read_text())
    models = schema["components"]["schemas"]
    verbs = chain.from_iterable(path.values() for path in schema["paths"].values())
    text = json.dumps([verb.get("requestBody") for verb in verbs])
    waiting, sent = REFERENCE.findall(text), set()
    while waiting:
        name = waiting.pop()
        if name not in sent:
            sent.add(name)
            waiting += REFERENCE.findall(json.dumps(models[name]))
    assert len(sent) > 30
    fields = set(chain.from_iterable(models[name].get("properties", {}) for name in sent))
    assert {field for field in fields if re.search(r"url|uri|endpoint|host|bucket", field)} == {"webhook_url"}


# -- the admin site, the browsable API, Basic auth


def test_there_is_no_admin_site():
    assert "django.contrib.admin" not in settings.INSTALLED_APPS
    client = signed_in(UserFactory(is_staff=True, is_superuser=True))
    assert client.get("/admin/").status_code == 404


def test_no_form_makes_an_administrator():
    for form in (AccountForm, InvitationForm, JoinForm):
        assert not {"is_staff", "is_superuser", "groups", "user_permissions"} & set(form.base_fields)
    user = UserFactory()
    filled = {"email": "", "language": "en", "is_staff": "on", "is_superuser": "on", "creates_projects": "on"}
    signed_in(user).post(reverse("account"), filled)
    user.refresh_from_db()
    assert (user.is_staff, user.is_superuser, user.creates_projects) == (False, False, False)
    staff = UserFactory(is_staff=True)
    person = UserFactory()
    asked = {"person": person.pk, "granted": "on", "is_staff": "on", "is_superuser": "on"}
    signed_in(staff).post(reverse("administration"), asked)
    person.refresh_from_db()
    assert (person.is_staff, person.is_superuser, person.creates_projects) == (False, False, True)


def test_the_api_answers_in_json_alone():
    client = signed_in(UserFactory())
    for asked in ({"headers": {"Accept": "text/html"}}, {"data": {"format": "api"}}):
        answer = client.get(reverse("project-list"), **asked)
        assert answer["Content-Type"].split(";")[0] in ("application/json", "application/problem+json")


def test_nobody_comes_in_by_basic_auth():
    User.objects.create(username="miller", password=make_password("correct horse battery"))
    given = base64.b64encode(b"miller:correct horse battery").decode()
    for path in (reverse("project-list"), reverse("me")):
        assert Client().get(path, headers={"Authorization": f"Basic {given}"}).status_code == 401
    assert Client().get("/", headers={"Authorization": f"Basic {given}"}).status_code == 302


# -- script


def routes() -> list[str]:
    """The pages of a project with one of everything."""
    return sorted({one.name for one in (*urls.urlpatterns, *study_urls.urlpatterns) if one.name})


def address_in(study, route: str) -> str:
    """The address of a route, "" for a page of what this world lacks (a study's, or a one-time link)."""
    try:
        return address(study, route)
    except (KeyError, StopIteration, NoReverseMatch):
        return ""


def opened(study) -> dict[str, object]:
    """Route -> the answer of every page to an administrator who owns everything."""
    owner = study.people["owner"]
    owner.is_staff = True
    owner.save()
    client = signed_in(owner)
    answers = {}
    for route in routes():
        if path := address_in(study, route):
            answers[route] = client.get(path)
    return answers


def test_markup_in_every_name_is_text_on_every_page():
    study = with_workflow(make_study())
    for row in (study.project, study.project.classes.get(), study.centre, *study.project.patients.all()):
        row.name = f"{MARKUP}{row.pk}"
        row.save()
    study.project.description = MARKUP
    study.project.save()
    Image.objects.filter(pk=study.image.pk).update(name=f"{MARKUP}.png")
    for person in study.people.values():
        person.first_name = MARKUP
        person.save()
    study.thread.text = MARKUP
    study.thread.save()
    answers = opened(study)
    shown = 0
    for route, answer in answers.items():
        if answer.get("Content-Type", "").startswith("text/html"):
            page = answer.content.decode()
            assert MARKUP not in page, route
            shown += "&lt;img src=x" in page
    assert shown >= 10


def test_no_page_allows_script_that_stands_in_it():
    answers = opened(with_workflow(make_study()))
    pages = [one for one in answers.values() if one.get("Content-Type", "").startswith("text/html")]
    assert len(pages) > 10
    for answer in pages:
        policy = answer["Content-Security-Policy"]
        scripts = next(part for part in policy.split("; ") if part.startswith("script-src "))
        assert "'unsafe-inline'" not in scripts and "'unsafe-eval'" not in scripts
        assert answer["X-Content-Type-Options"] == "nosniff" and answer["X-Frame-Options"] == "DENY"
        bare = re.findall(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)[^>]*>", answer.content.decode())
        assert bare == []


@pytest.mark.parametrize("name", ["page.html", "drawing.svg", "picture.png", "script.js"])
def test_what_is_uploaded_is_never_served_as_a_page(name):
    """A picture with a page behind it is stored as a picture; anything else is declined."""
    project = ProjectFactory()
    LabelClassFactory(project=project, name="nucleus", position=1)
    owner = MembershipFactory(project=project, role="owner").user
    page = b"<html><script>alert(1)</script></html>"
    content = page if name.endswith((".svg", ".js")) else png() + page
    client = signed_in(owner)
    upload(client, project, (name, content))
    for image in project.images.all():
        answer = client.get(f"/api/v1/images/{image.pk}/pixels/")
        assert answer["Content-Type"] == "image/png" and answer["X-Content-Type-Options"] == "nosniff"
        assert b"<script" not in b"".join(answer.streaming_content)
    assert project.images.count() == (0 if name.endswith((".svg", ".js")) else 1)


def test_what_an_address_is_sent_is_not_echoed_as_markup():
    study = make_study()
    client = signed_in(study.people["owner"])
    for route in ("project-list", "me"):
        answer = client.get(reverse(route), {"x": MARKUP})
        assert not answer["Content-Type"].startswith("text/html")
    for path in (f"/{MARKUP}/", f"/projects/{MARKUP}/", f"/api/v1/{MARKUP}/"):
        assert MARKUP not in client.get(path).content.decode()
    answered = Client().post(reverse("sign-in"), {"username": MARKUP, "password": MARKUP, "next": MARKUP})
    assert MARKUP not in answered.content.decode()


# -- forms of other sites, files beside the static ones


def test_no_form_is_taken_from_another_site():
    study = with_workflow(make_study())
    client = Client(enforce_csrf_checks=True)
    client.force_login(study.people["owner"])
    tried = 0
    for route in routes():
        path = address_in(study, route)
        if not path:
            continue
        answer = client.post(path, {"name": "taken over"}, headers={"Origin": "https://elsewhere.example"})
        assert answer.status_code in (403, 405), route
        tried += 1
    assert tried > 50
    study.project.refresh_from_db()
    assert study.project.name == "Breast"


@pytest.mark.parametrize(
    "path",
    ["../labeling/settings.py", "%2e%2e/labeling/settings.py", "..%2flabeling/settings.py", "....//settings.py",
     "/etc/passwd", "..\\labeling\\settings.py", "site/../../settings.py"],
)  # fmt: skip
def test_static_files_lead_nowhere_else(path):
    answer = Client().get(f"/static/{path}")
    assert answer.status_code == 404


def test_an_image_of_another_project_is_nobody_s_business():
    mine, other = ImageFactory(), ImageFactory()
    owner = MembershipFactory(project=mine.project, role="owner").user
    assert signed_in(owner).get(f"/api/v1/images/{other.pk}/pixels/").status_code == 404
