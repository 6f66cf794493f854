"""A site below a path of its host: https://lab.example/boxwise/."""

from django.urls import set_script_prefix

from labeling.server.asgi_types import Application, Receive, Scope, Send


class BelowPath:
    """ASGI application in front of another one, which sees addresses without the path.

    A proxy passes on the whole address. Probes of the machine itself ask without the path, and are answered too.
    base_path  "" or "/boxwise"
    """

    def __init__(self, application: Application, base_path: str) -> None:
        self.application = application
        self.base_path = base_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.base_path and scope["type"] == "http":
            # A page that is drawn outside a request of Django's (413) also needs to know where the site lies.
            set_script_prefix(f"{self.base_path}/")
            scope = scope | {"path": self.without(scope["path"]), "root_path": ""}
        await self.application(scope, receive, send)

    def without(self, path: str) -> str:
        """The address as Django's patterns know it."""
        if path == self.base_path:
            return "/"
        return path.removeprefix(self.base_path) if path.startswith(f"{self.base_path}/") else path


def with_base_path(application: Application, base_path: str) -> Application:
    """Django's own ASGI handler, which takes the path off again that FORCE_SCRIPT_NAME names."""

    async def restored(scope: Scope, receive: Receive, send: Send) -> None:
        path = {"path": base_path + scope["path"]} if scope["type"] == "http" else {}
        await application(scope | path, receive, send)

    return restored
