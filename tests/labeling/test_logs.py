"""No token is written to a log, whoever logs it."""

import io
import logging
import logging.config

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from labeling.server.logs import HideTokens, without_tokens

TOKEN = st.from_regex(r"\A[A-Za-z0-9_-]{16,60}\Z").filter(lambda text: text not in ("set-password",))
SHAPES = [
    '203.0.113.7:51234 - "GET /accounts/invitation/MQ/{}/ HTTP/1.1" 302',
    "Not Found: /accounts/invitation/MQ/{}",
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
