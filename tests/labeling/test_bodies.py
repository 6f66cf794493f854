"""A body is limited before it is stored, for somebody who is not signed in most of all."""

import asyncio
import inspect
import re
import uuid

import pytest
from django.conf import settings
from django.test import Client
from django.urls import get_resolver, reverse

from labeling import bodies
from labeling.bodies import ANONYMOUS, AROUND, FILES, LimitBodies, limit_of
from labeling.schema import all_contracts
from tests.factories import ImageFactory, MembershipFactory
from tests.tokens import token_of

pytestmark = pytest.mark.django_db(transaction=True)
CHUNK = 16 * 2**10


class Server:
    """Takes the body of a request as an ASGI server hands it on, and says how much of it was asked for."""

    def __init__(self) -> None:
        self.stored = 0

    async def __call__(self, scope, receive, send):
        while True:
            message = await receive()
            self.stored += len(message.get("body", b""))
            if not message.get("more_body"):
                break
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def send_body(path: str, size: int, *, declared: bool, headers=()) -> tuple[int, int]:
    """(status, bytes that got through) of a POST of `size` bytes."""
    server, sent, left = Server(), [], size

    async def receive():
        nonlocal left
        part = min(CHUNK, left)
        left -= part
        return {"type": "http.request", "body": b"x" * part, "more_body": left > 0}

    async def send(message):
        sent.append(message)

    given = [*headers, *([(b"content-length", str(size).encode())] if declared else [])]
    scope = {"type": "http", "path": path, "method": "POST", "headers": given}
    asyncio.run(LimitBodies(server)(scope, receive, send))
    return sent[0]["status"], server.stored


@pytest.fixture
def member():
    return MembershipFactory(project=ImageFactory().project)


def credentials(user, how):
    if how == "nobody":
        return []
    if how == "token":
        return [(b"authorization", f"Token {token_of(user)}".encode())]
    client = Client()
    client.force_login(user)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    if how == "forged":
        session = session[::-1]
    return [(b"cookie", f"{settings.SESSION_COOKIE_NAME}={session}".encode())]


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("how", ["nobody", "forged", "session", "token"])
def test_only_who_is_signed_in_sends_more_than_a_form(how, declared, member):
    given = credentials(member.user, how)
    large = 10 * ANONYMOUS
    status, stored = send_body(reverse("activity"), large, declared=declared, headers=given)
    if how in ("session", "token"):
        assert (status, stored) == (200, large)
    else:
        assert status == 413 and stored <= (0 if declared else ANONYMOUS)


@pytest.mark.parametrize("declared", [True, False])
def test_a_form_of_the_usual_size_needs_no_session(declared):
    assert send_body(reverse("sign-in"), ANONYMOUS, declared=declared) == (200, ANONYMOUS)
    assert send_body(reverse("sign-in"), ANONYMOUS + 1, declared=declared)[0] == 413


@pytest.mark.parametrize("declared", [True, False])
def test_who_is_signed_in_is_limited_by_the_address(declared, member):
    given = credentials(member.user, "session")
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    assert send_body(reverse("account"), most, declared=declared, headers=given) == (200, most)
    status, stored = send_body(reverse("account"), most + 1, declared=declared, headers=given)
    assert status == 413 and stored <= most
    upload = reverse("image-list", args=[member.project_id])
    assert send_body(upload, 2 * most, declared=declared, headers=given) == (200, 2 * most)


def test_an_upload_has_its_own_limit(member):
    for name, most in FILES.items():
        path = reverse(name, args=[uuid.UUID(int=1) if name == "upload-detail" else 1])
        assert limit_of(path) == most + AROUND
    given = credentials(member.user, "session")
    too_much = FILES["image-list"] + AROUND + 1
    assert send_body(reverse("image-list", args=[1]), too_much, declared=True, headers=given) == (413, 0)
    assert limit_of("/nothing/here/") == limit_of("/\0") == ANONYMOUS


def views(patterns=None):
    for one in patterns or get_resolver().url_patterns:
        if hasattr(one, "url_patterns"):
            yield from views(one.url_patterns)
        else:
            yield one.name, one.callback


def test_every_view_that_reads_a_file_has_a_limit_of_its_own():
    """Of a page, read from the source of each view and of the functions of its module that it calls; of the API, from
    its contracts."""
    reads = re.compile(r"request\.FILES")
    forms = [(name, declared.form) for name, _verb, declared in all_contracts() if declared.form is not None]
    found = {name for name, form in forms if "'binary'" in str(form.model_json_schema())}
    found.add("upload-detail")  # of the tus protocol: the body is the part of a file, and no form
    for name, callback in views():
        view = inspect.unwrap(getattr(callback, "view_class", None) or getattr(callback, "cls", None) or callback)
        if not view.__module__.startswith("labeling.") or view.__module__ == "labeling.site.error_pages":
            continue
        source = inspect.getsource(view)
        module = inspect.getmodule(view)
        for called in set(re.findall(r"\b(_?[a-z_]+)\(request", source)):
            if inspect.isfunction(getattr(module, called, None)):
                source += inspect.getsource(getattr(module, called))
        if reads.search(source):
            found.add(name)
    assert found == set(FILES)


def test_the_answer_is_a_problem_for_programs_and_a_page_for_people():
    sent = []

    async def send(message):
        sent.append(message)

    for path in ("/api/v1/activity/", "/accounts/sign-in/"):
        asyncio.run(bodies._decline({"path": path}, send))
    assert b'"code": "too_large"' in sent[1]["body"] and b"too large" in sent[3]["body"]
    assert (b"connection", b"close") in sent[0]["headers"]
