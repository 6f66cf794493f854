"""No token is written to a log, whoever logs it."""

import io
import json
import logging
import logging.config

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client, RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from labeling.server import environment
from labeling.server.log_context import AddContext, JsonLines, RequestIds, at_work
from labeling.server.logs import HideTokens, without_tokens
from labeling.site.error_pages import server_error

TOKEN = st.from_regex(r"\A[A-Za-z0-9_-]{16,60}\Z").filter(lambda text: text not in ("set-password",))
SHAPES = [
    '203.0.113.7:51234 - "GET /accounts/invitation/MQ/{}/ HTTP/1.1" 302',
    "Not Found: /accounts/invitation/MQ/{}",
    "GET /accounts/mine/address/{}/ 200",
    "GET /accounts/sign-in/oidc/back/?code={}&state=x 302",
    "GET /accounts/sign-in/oidc/back/?state=x&code={} 302",
    "GET /api/v1/layers/1/feed/?token={}&after=3",
    "Authorization: Token {}",
    "authorization: bearer {}",
    "connecting to postgresql://boxwise:{}@localhost/boxwise failed",
    "redis://user:{}@broker:6379/0",
]


@pytest.mark.parametrize("shape", SHAPES)
@given(token=TOKEN)
def test_a_token_does_not_pass(shape, token):
    assert token not in without_tokens(shape.format(token)).replace("(hidden)", "")


@pytest.mark.parametrize(
    "line",
    ['"GET /projects/1/?page=2 HTTP/1.1" 200', '"GET /accounts/invitation/MQ/set-password/ HTTP/1.1" 200',
     "postgresql://host/name", "the token of this form is old", "http://localhost:8000/images/1/"],
)  # fmt: skip
def test_other_lines_stay_as_they_are(line):
    assert without_tokens(line) == line


def logged(logger: str, log) -> str:
    """What the settings' own configuration writes, with its stream caught."""
    stream = io.StringIO()
    (handler,) = [h for h in logging.getLogger().handlers if any(isinstance(f, HideTokens) for f in h.filters)]
    before = handler.setStream(stream)
    try:
        log(logging.getLogger(logger))
    finally:
        handler.setStream(before)
    return stream.getvalue()


@pytest.fixture
def configured():
    """The logging of the settings, as uvicorn leaves it behind: loggers that have handlers of their own."""
    saved = {name: list(logging.getLogger(name).handlers) for name in ("", "uvicorn", "uvicorn.access")}
    for name in ("uvicorn", "uvicorn.access"):
        logging.getLogger(name).addHandler(logging.StreamHandler())
    logging.config.dictConfig(settings.LOGGING)
    yield
    for name, handlers in saved.items():
        logging.getLogger(name).handlers[:] = handlers


def test_the_access_log_goes_through_the_filter(configured):
    secret = "c8x2k1-0123456789abcdef0123456789abcdef"
    args = ("203.0.113.7:5", "GET", f"/accounts/invitation/MQ/{secret}/", "1.1", 302)
    printed = logged("uvicorn.access", lambda log: log.info('%s - "%s %s HTTP/%s" %d', *args))
    assert '"GET /accounts/invitation/MQ/(hidden)/ HTTP/1.1" 302' in printed
    assert not logging.getLogger("uvicorn.access").handlers, "nothing goes past the filter"


def test_a_traceback_is_filtered_too(configured):
    def crash(log):
        try:
            raise ValueError("postgresql://boxwise:very-secret@host")
        except ValueError:
            log.exception("it failed")

    printed = logged("labeling.anything", crash)
    assert "very-secret" not in printed and "ValueError: postgresql://boxwise:(hidden)@host" in printed


# -- which request, which work


def lines_of(format_, log):
    handler = logging.StreamHandler(stream := io.StringIO())
    handler.setFormatter(JsonLines() if format_ == "json" else logging.Formatter("%(context)s%(message)s"))
    handler.addFilter(AddContext())
    logger = logging.getLogger("labeling.tried")
    logger.addHandler(handler)
    try:
        log(logger)
    finally:
        logger.removeHandler(handler)
    return stream.getvalue().splitlines()


def answered(given="", log=lambda: None, status=200):
    def view(request):
        log()
        return HttpResponse(status=status)

    headers = {"X-Request-ID": given} if given else {}
    return RequestIds(view)(RequestFactory().get("/", headers=headers))["X-Request-ID"]


@pytest.mark.parametrize("given", ["from-the-proxy-1", "a" * 64])
def test_the_number_of_a_proxy_is_kept(given):
    assert answered(given) == given


@pytest.mark.parametrize("given", ["short", "a" * 65, "two words and more", "x\nforged line", "<script>", "ü" * 9])
def test_any_other_number_is_replaced(given):
    number = answered(given)
    assert number != given and len(number) == 32 and number != answered(given)


def test_each_line_says_its_request_and_its_work():
    logger = logging.getLogger("labeling.tried")

    def log(_logger):
        number = answered("number-of-this", lambda: logger.warning("inside"))
        assert number == "number-of-this"
        with at_work("stage 12"):
            logger.warning("at work")
        logger.warning("outside")

    assert lines_of("line", log) == ["[request number-of-this] inside", "[stage 12] at work", "outside"]
    inside, working, outside = [json.loads(line) for line in lines_of("json", log)]
    assert (inside["request"], working["work"]) == ("number-of-this", "stage 12")
    assert not {"request", "work"} & set(outside) and outside["level"] == "WARNING"


def test_an_exception_is_one_line_of_json():
    def log(logger):
        try:
            raise ValueError("two\nlines")
        except ValueError:
            logger.exception("failed")

    (line,) = lines_of("json", log)
    assert "ValueError: two\nlines" in json.loads(line)["exception"]


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/nowhere/", "/api/v1/nowhere/", "/accounts/sign-in/", "/livez"])
def test_every_answer_has_its_number_and_error_pages_show_it(address):
    answer = Client().get(address, headers={"X-Request-ID": "number-of-this"})
    assert answer["X-Request-ID"] == "number-of-this"
    if address == "/nowhere/":
        assert "number-of-this" in answer.content.decode()


def test_the_page_of_a_fault_shows_the_number():
    def view(request):
        return server_error(request)

    page = RequestIds(view)(RequestFactory().get("/", headers={"X-Request-ID": "number-of-this"}))
    assert page.status_code == 500 and "number-of-this" in page.content.decode()


@pytest.mark.parametrize(("chosen", "found"), [("", "line"), ("json", "json"), ("line", "line")])
def test_the_format_is_a_setting(monkeypatch, chosen, found):
    monkeypatch.setenv("LOG_FORMAT", chosen)
    assert environment.log_format() == found
    monkeypatch.setenv("LOG_FORMAT", "xml")
    with pytest.raises(SystemExit, match="LOG_FORMAT"):
        environment.log_format()
