"""Security headers that Django does not set itself."""

from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

# Everything comes from the site itself. Exceptions: image tiles and masks made in the browser (blob:, data:), style
# attributes (progress bars, overlays), and WebAssembly, which runs models in the browser.
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "style-src 'self'",
        "style-src-attr 'unsafe-inline'",
        "img-src 'self' blob: data:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    # Cross-origin isolation (with COOP, which Django sets): threads in WebAssembly need it, and it costs nothing
    # while everything is served from one origin.
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Pages and JSON show patients' data: a browser on a shared workstation keeps none of it. Images say what they allow
    # (labeling/images/api.py), static files have names that change with their content.
    "Cache-Control": "no-store",
}


@sync_and_async_middleware
def headers(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Set the headers above on every response that has not set its own, and those that its request was given."""

    def add(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        for name, value in getattr(request, "answer_headers", {}).items():
            response.headers.setdefault(name, value)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    if iscoroutinefunction(get_response):

        async def middleware(request: HttpRequest) -> HttpResponseBase:
            return add(request, await get_response(request))

        return middleware

    def sync_middleware(request: HttpRequest) -> HttpResponseBase:
        return add(request, get_response(request))

    return sync_middleware
