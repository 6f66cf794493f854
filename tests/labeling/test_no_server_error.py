"""No address, query or form makes the server fail: every route of the resolver with values that nobody types.

The routes and the names of their fields are read from the code, so that a new route or field is tried as well.
"""

import inspect
import re
from http.cookies import SimpleCookie
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.db import transaction
from django.urls import URLPattern, get_resolver, resolve

from labeling.schema import all_contracts
from labeling.server import environment

pytestmark = pytest.mark.django_db

NINES = "9" * 5000
HOSTILE = {
    "superscript": "²",
    "arabic digits": "٣",
    "5,000 nines": NINES,
    "beyond 64 bits": str(2**63),
    "beyond 32 bits": str(2**31),
    "negative": "-1",
    "zero": "0",
    "nan": "nan",
    "infinite": "1e400",
    "fraction": "1.5",
    "nul": "x\0y",
    "nothing": "",
    "long text": "x" * 3000,
    "half a surrogate": b"\xed\xa0\x80",
    "bytes that are no text": b"\xff\xfe",
    "list": "[]",
}
SHORT = {"in_the_path": ("5,000 nines", "beyond 64 bits", "nul"), "in_the_query": ("superscript", "5,000 nines", "nul")}
IN_FORMS = ("superscript", "5,000 nines", "beyond 64 bits", "nan", "nul", "half a surrogate", "long text")
# These load pandas and draw: seconds each. They read nothing from the query, and test_studies_pages.py opens them.
HEAVY = {"study-report", "study-pdf", "study-bundle", "study-plot"}
# Streams that end when their reader goes: test_live_feed.py.
STREAMS = {"layer-feed"}


def all_routes() -> list[tuple[str, str]]:
    """(name, pattern) of every address, as "projects/<int:project>/"."""
    found = []

    def walk(patterns: Any, prefix: str) -> None:
        for one in patterns:
            here = prefix + str(one.pattern)
            if not isinstance(one, URLPattern):
                walk(one.url_patterns, here)
            elif "^" not in here and one.name != "unknown":
                found.append((one.name or here, here))

    walk(get_resolver().url_patterns, "")
    return found


ROUTES = all_routes()


def names_in_code(pattern: str) -> list[str]:
    """The field names that the code asks for, wherever it does."""
    names: set[str] = set()
    for file in Path(environment.CHECKOUT / "labeling").rglob("*.py"):
        names.update(re.findall(pattern, file.read_text()))
    return sorted(names)


QUERY = sorted(
    {
        *names_in_code(r"GET(?:\.get|\.getlist)?[(\[]\"(\w+)\""),
        *(name for _route, _verb, declared in all_contracts() for name in declared.query.model_fields),
    }
)
FORM = sorted(
    {
        *names_in_code(r"(?:POST|post)(?:\.get|\.getlist)?[(\[]\"(\w+)\""),
        *names_in_code(r"(?m)^    (\w+) = (?:forms\.\w+Field|scale_field|factor_field)\("),
        "form-TOTAL_FORMS", "form-INITIAL_FORMS", "form-0-um_per_px", "detector_from",
    }
)  # fmt: skip


def encoded(value: object) -> str:
    return quote(value if isinstance(value, bytes) else str(value), safe="")


def address(pattern: str, values: dict[str, Any]) -> str:
    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda found: encoded(values[found[1]]), pattern)


def status(world: SimpleNamespace, method: str, path: str, **body: Any) -> int:
    """The status of a request whose changes are undone; signing out is one of them."""
    world.client.cookies = SimpleCookie(world.cookies)
    with transaction.atomic():
        answer = world.client.generic(method, path, **body)
        transaction.set_rollback(True)
    return int(answer.status_code)


def failures(world: SimpleNamespace, kinds: tuple[str, ...], requests: Any) -> list[str]:
    found = []
    for name, pattern in ROUTES:
        if name in STREAMS:
            continue
        for kind in kinds:
            for method, path, body in requests(name, pattern, HOSTILE[kind]):
                code = status(world, method, path, **body)
                if code >= 500 and code != 503:  # 503: no worker runs here
                    found.append(f"{method} {pattern} with {kind}: {code}")
    return found


def in_the_path(world: SimpleNamespace) -> Any:
    def requests(name: str, pattern: str, value: Any) -> Any:
        for part in re.findall(r"<(?:\w+:)?(\w+)>", pattern):
            path = address(pattern, world.values | {part: value})
            yield "GET", path, {}
            yield "POST", path, {}

    return requests


def in_the_query(world: SimpleNamespace) -> Any:
    def requests(name: str, pattern: str, value: Any) -> Any:
        if name not in HEAVY:
            pairs = [(field, value) for field in QUERY for _twice in range(2)]
            yield "GET", f"{address(pattern, world.values)}?{urlencode(pairs)}", {}

    return requests


def fields_of(callback: Any) -> list[str]:
    """The form fields that the module of a view, and the modules it imports from this site, name."""
    module = inspect.getmodule(inspect.unwrap(getattr(callback, "view_class", callback)))
    if module is None or not module.__name__.startswith("labeling."):
        return []
    source = inspect.getsource(module)
    return [field for field in FORM if f'"{field}"' in source] + ["username", "name", "webhook_url", "um_per_px"]


def in_the_form(world: SimpleNamespace) -> Any:
    def requests(name: str, pattern: str, value: Any) -> Any:
        path = address(pattern, world.values)
        if path.startswith("/api/"):
            return
        for field in [None, *fields_of(resolve(path).func)]:
            # All fields at once stop at the first that is refused; one at a time gets to the others.
            pairs = [(one, value) for one in FORM] if field is None else [(field, value)]
            yield (
                "POST", path,
                {"data": urlencode(pairs), "content_type": "application/x-www-form-urlencoded"},
            )  # fmt: skip

    return requests


PLACES = [in_the_path, in_the_query]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_no_odd_value_makes_the_server_fail(place, world):
    assert failures(world, SHORT[place.__name__], place(world)) == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("place", [*PLACES, in_the_form], ids=lambda place: place.__name__)
def test_no_odd_value_of_the_whole_table_makes_the_server_fail(place, world):
    kinds = IN_FORMS if place is in_the_form else tuple(HOSTILE)
    assert failures(world, kinds, place(world)) == []


def test_the_names_of_the_fields_are_found():
    """The oracle of the above: what people noticed by hand is among what is read from the code."""
    assert {"after", "limit", "round", "page"} <= set(QUERY)
    assert {"readers", "chosen", "username", "webhook_url", "um_per_px", "item"} <= set(FORM)
    assert {"round-log", "image-overlay", "compare-image", "healthz"} <= {name for name, _pattern in ROUTES}


def test_every_address_is_reached_before_it_is_spoilt(world):
    """The oracle of `world`: with its own values each route answers, to the person who asks."""
    declined = {}
    for name, pattern in ROUTES:
        if name not in STREAMS | HEAVY:
            code = status(world, "GET", address(pattern, world.values))
            if code not in (200, 302, 304, 405):
                declined[name] = code
    assert declined == {
        "image-overlay": 422, "round-compare": 422, "compare-image": 404, "compare-rounds-file": 404,  # name no rounds
        "image-slide": 404,  # a picture
        "image-consensus": 409,  # its readings are open
        "gallery-sheet": 422, "search-names": 422,  # name nothing
        "certificate-record": 409,  # its lot is being judged
        "study-numbers": 409,  # the study is not locked
        "image-reference-pack": 404, "round-export": 409, "export-round": 404,  # nothing has finished
        "invitation-join": 410,  # no such link
        "job-result": 409, "layer-heads": 422, "participation-receipt": 404,  # nothing is done, named or removed
        "healthz": 503,  # no worker runs here
        "metrics": 404,  # switched off unless a setting opens it
        "attempt-field-feedback": 404, "learning-field": 404,  # nobody has begun to learn
        "mfa_deactivate_totp": 404, "mfa_view_recovery_codes": 404,  # nobody has a second factor
        "openid_connect_callback": 404,  # no identity provider is set
    }  # fmt: skip
