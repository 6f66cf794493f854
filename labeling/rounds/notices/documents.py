"""What a delivery says: the body that a webhook gets (docs/rounds.md shows one), and a mail.

Times are ISO 8601 in UTC. Receivers read these names: what is renamed here breaks them.
"""

from inference.documents.base import Document


class ProjectNotice(Document):
    """url: of the project's page."""

    id: int
    name: str
    url: str


class RoundNotice(Document):
    """error: why it failed, empty otherwise; started_by: a person's name; url: of the round's page."""

    id: int
    number: int
    state: str
    preset: str
    error: str
    started_by: str | None
    created_at: str
    finished_at: str | None
    url: str


class WebhookBody(Document):
    """event: "round." and its last state, or "test"; delivery: the same at every try; round: absent from a test."""

    event: str
    delivery: str
    at: str
    project: ProjectNotice
    round: RoundNotice | None = None


class MailText(Document):
    subject: str
    text: str
