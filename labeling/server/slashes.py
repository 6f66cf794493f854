"""A page asked for without the slash at its end: the same request is sent on to the address with it."""

from django.http import HttpResponsePermanentRedirect
from django.middleware.common import CommonMiddleware


class SameMethod(HttpResponsePermanentRedirect):
    """308: a browser repeats a POST as a POST, with its form. After Django's 301 it sends a GET, which stores nothing
    and looks as if it had worked."""

    status_code = 308


class Slashes(CommonMiddleware):
    """Django's middleware, redirecting by SameMethod. The API's addresses are labeling.api.unknown's."""

    response_redirect_class = SameMethod
