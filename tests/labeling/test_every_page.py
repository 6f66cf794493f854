"""The table of pages (tests/e2e/every_page.py), which axe-core goes through, leaves no page of the site out."""

import re
from collections.abc import Iterator

from django.test import Client
from django.urls import Resolver404, URLPattern, resolve

from labeling.site.study_urls import urlpatterns as study_routes
from labeling.site.urls import urlpatterns as site_routes
from tests.e2e.every_page import ELSEWHERE, OUTSIDE, PAGES
from tests.factories import UserFactory
from tests.labeling.pages import signed_in

# Parts of a page, which are read in it.
FRAGMENTS = {
    "before-round", "project-proposals", "project-time", "project-uploads", "round-at-work", "round-log",
    "round-progress", "weights-imports",
}  # fmt: skip
FILES = {
    "compare-rounds-file", "export-round", "participation-receipt", "round-log-file", "study-bundle", "study-pdf",
    "study-registration",
    "study-plot",
}  # fmt: skip
# They send on to a page of the table.
REDIRECTS = {"interim-look-former", "project-imports", "round-by-id", "tune-round-former"}
# Another name of the sign-in page, and what an identity provider or a security key answers to.
ANSWERS = {"account_login", "mfa_login_webauthn", "openid_connect_callback", "openid_connect_login"}
EXAMPLES = {"int": "1", "str": "word", "slug": "word", "uuid": "00000000-0000-7000-8000-000000000001"}


def routes() -> Iterator[URLPattern]:
    for route in [*site_routes, *study_routes]:
        assert isinstance(route, URLPattern)
        yield route


def in_tables() -> set[str]:
    found = set()
    for path in [*PAGES.values(), *OUTSIDE.values()]:
        plain = re.sub(r"\{\w+\}", "1", path).partition("?")[0]
        try:
            found.add(str(resolve(plain).url_name))
        except Resolver404:  # the page of an address that is none
            assert plain == PAGES["not found"]
    return found


def is_read(route: URLPattern, client: Client) -> bool:
    """Whether its view answers to GET: views that only act decline it."""
    path = re.sub(r"<(?:(\w+):)?\w+>", lambda found: EXAMPLES[found[1] or "str"], str(route.pattern))
    return client.get(f"/{path}").status_code != 405


def test_every_page_is_in_a_table(db):
    named = in_tables() | set(ELSEWHERE) | FRAGMENTS | FILES | REDIRECTS | ANSWERS
    client = signed_in(UserFactory(is_staff=True, is_superuser=True))
    missing = [str(route.name) for route in routes() if route.name not in named and is_read(route, client)]
    assert missing == []


def test_nothing_in_the_lists_is_gone():
    there = {str(route.name) for route in routes()}
    assert set(ELSEWHERE) | FRAGMENTS | FILES | REDIRECTS | ANSWERS <= there
