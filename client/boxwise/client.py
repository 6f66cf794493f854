"""The face of the client: `Client`."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

from boxwise.config import settings
from boxwise.events import follow
from boxwise.generated import MeAnswer, NotificationAnswer, Operations
from boxwise.jobs import Job
from boxwise.projects import Project
from boxwise.transport import Transport


class Client:
    """A server, as one person.

        client = boxwise.Client("https://boxwise.example.org", token="bxw_...")
        coco = client.project("Breast").to_coco()

    Without arguments: what `boxwise login` has stored, or BOXWISE_URL and BOXWISE_TOKEN. `api` has a method for every
    address of the server (docs/api.md), with the types of what is sent and answered.
    """

    def __init__(self, server: str | None = None, token: str | None = None, *, timeout: float = 60.0) -> None:
        found = settings(server, token)
        self.server = found.server
        self.transport = Transport(found.server, found.token, timeout=timeout)
        self.api = Operations(self.transport)

    def me(self) -> MeAnswer:
        """Who you are there, by which token, and the server's version."""
        return self.api.me_get()

    def projects(self) -> Iterator[Project]:
        """The projects that you take part in."""
        for facts in self.every(self.api.project_list_get):
            yield Project(self, facts)

    def project(self, name: str | int) -> Project:
        """By name or id. Raises KeyError for none, or for several of this name."""
        if isinstance(name, int):
            return Project(self, self.api.project_detail_get(name))
        found = [project for project in self.projects() if project.name == name]
        if len(found) != 1:
            ids = ", ".join(str(project.id) for project in found)
            words = f"several projects are called {name!r}: take one by its id, {ids}" if found else ""
            raise KeyError(words or f"you take part in no project {name!r}")
        return found[0]

    def create_project(self, name: str, classes: list[str] | None = None, **more: Any) -> Project:
        """A project of which you are the owner. more: description, layering, records_activity."""
        body: Any = {"name": name, **({"classes": classes} if classes else {}), **more}
        return Project(self, self.api.project_list_post(body=body))

    def job(self, number: int) -> Job:
        return Job(self, self.api.job_detail_get(number))

    def events(self, seconds: float | None = None) -> Iterator[NotificationAnswer]:
        """What happens from now on and concerns you: rounds that end, work that is assigned, comments. Ends when there
        was nothing for so many seconds."""
        return follow(self, seconds=seconds)

    def change(self, path: str, read: Mapping[str, Any], words: Mapping[str, Any]) -> Any:
        """PATCH what is there only if it is still as it was read. Raises Conflict."""
        now = self.transport.request("GET", path)
        facts = now.json()
        changed = [name for name, value in read.items() if facts.get(name) != value]
        if changed:
            from boxwise.errors import Conflict

            detail = "somebody has changed this since you read it; refresh(), then decide"
            raise Conflict({"status": 412, "code": "changed", "detail": detail})
        return self.transport.json("PATCH", path, body=dict(words), headers={"If-Match": now.headers["ETag"]})

    def every(self, page: Callable[..., Any], *, limit: int = 1000) -> Iterator[Any]:
        """All rows of a list, page by page of `limit` rows; the next page is asked for when it is needed."""
        cursor = None
        while True:
            found = page(cursor=cursor, limit=limit)
            yield from found["items"]
            if not found["next"]:
                return
            from urllib.parse import parse_qs, urlsplit

            cursor = parse_qs(urlsplit(found["next"]).query)["cursor"][0]

    def close(self) -> None:
        self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client of {self.server}>"
