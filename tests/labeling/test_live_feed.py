"""The live feed ends with access and with the session, also when nothing happens on it; on a real ASGI server."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connections
from django.test import Client
from django.urls import reverse

from labeling.accounts.tokens import create_token, revoke_token
from labeling.annotations import feed
from labeling.annotations.services import working_layer
from labeling.projects.models import Role
from labeling.projects.services import remove_member
from tests.factories import ImageFactory, MembershipFactory
from tests.running import ROOT, free_port, wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]
SOON = 3 * feed.CHECK_EVERY  # a loaded machine takes its time


@pytest.fixture(scope="module")
def server(django_db_setup: None) -> Iterator[int]:
    """uvicorn as `boxwise up` starts it, on the database of the tests; its port."""
    port = free_port()
    name = connections["default"].settings_dict["NAME"]
    address = os.environ["DATABASE_URL"].replace("/boxwise?", f"/{name}?")
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "labeling.asgi:application", "--port", str(port), "--no-server-header"],
        env=os.environ | {"DATABASE_URL": address, "DEBUG": "1"},
        cwd=ROOT,
    )

    def answers() -> bool:
        with socket.socket() as link:
            return link.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_for(answers, 60, "uvicorn")
        yield port
    finally:
        process.terminate()
        process.wait(20)


def new_layer():
    image = ImageFactory()
    owner = MembershipFactory(project=image.project, role=Role.OWNER).user
    found = working_layer(image=image, user=owner)
    found.owner, found.member = owner, MembershipFactory(project=image.project)
    return found


@pytest.fixture
def layer():
    return new_layer()


@pytest.fixture
def layers():
    return [new_layer() for _end in ENDS]


class Stream:
    """Somebody who follows a layer."""

    def __init__(self, port: int, layer, headers: dict[str, str]) -> None:
        self.link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.link.request("GET", reverse("layer-feed", args=[layer.pk]), headers=headers)
        self.answer = self.link.getresponse()
        assert self.answer.status == 200
        self.read_line()  # retry
        self.read_line()
        assert b'"seq"' in self.read_line()
        self.read_line()

    def read_line(self) -> bytes:
        return self.answer.readline()

    def rest(self) -> tuple[bytes, float]:
        """What still comes, and the seconds until the end."""
        begin = time.monotonic()
        printed = b""
        while line := self.read_line():
            printed += line
            assert time.monotonic() - begin < SOON, "the stream goes on"
        return printed, time.monotonic() - begin


def cookie(user) -> tuple[Client, dict[str, str]]:
    client = Client()
    client.force_login(user)
    return client, {"Cookie": f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"}


def removed(layer, client):
    remove_member(project=layer.image.project, membership=layer.member, by=layer.owner)


def signed_out(layer, client):
    client.post(reverse("sign-out"))


def session_deleted(layer, client):
    Session.objects.get(pk=client.session.session_key).delete()


def new_password(layer, client):
    layer.member.user.set_password("another long password")
    layer.member.user.save()


def account_closed(layer, client):
    layer.member.user.is_active = False
    layer.member.user.save()


ENDS = (removed, signed_out, session_deleted, new_password, account_closed)


def test_a_stream_ends_soon_and_says_nothing_more(layers, server):
    """All ways to lose access, each for somebody with a layer of their own, at once: each takes seconds."""
    streams = {}
    for end, layer in zip(ENDS, layers, strict=True):
        client, headers = cookie(layer.member.user)
        streams[end.__name__] = Stream(server, layer, headers)
        layer.client = client
    made = create_token(user=layers[0].owner, name="feed", scope="read", days=1)
    streams["token revoked"] = Stream(server, layers[0], {"Authorization": f"Token {made.secret}"})
    revoke_token(token=made.token)
    for end, layer in zip(ENDS, layers, strict=True):
        end(layer, layer.client)
    assert {name: stream.rest()[0] for name, stream in streams.items()} == dict.fromkeys(streams, b"")


def test_more_people_follow_than_the_database_has_connections(layer, server):
    """A stream lasts for hours; a page must answer all the while."""
    _client, headers = cookie(layer.member.user)
    most = settings.DATABASES["default"]["OPTIONS"]["pool"]["max_size"]
    streams = [Stream(server, layer, headers) for _ in range(most + 5)]
    link = http.client.HTTPConnection("127.0.0.1", server, timeout=30)
    link.request("GET", "/", headers=headers)
    assert link.getresponse().status == 200
    for stream in streams:
        stream.link.close()


def test_who_keeps_access_keeps_the_stream(layer, server):
    _client, headers = cookie(layer.member.user)
    stream = Stream(server, layer, headers)
    time.sleep(2.5 * feed.CHECK_EVERY)
    feed.tell(layer.pk, {"seq": 41})
    assert b"41" in stream.read_line()
    stream.link.close()
