"""Projects as the API says them."""

from datetime import datetime
from typing import Literal

from labeling.contract import Answer
from labeling.paging import Listing
from labeling.projects.models import Membership, Project

RoleName = Literal["owner", "manager", "reviewer", "annotator", "viewer"]


class ClassAnswer(Answer):
    id: int
    name: str
    color: str
    key: int | None


class MemberAnswer(Answer):
    """`user` is null before the first sign-in: the number of a new account is higher than that of an old one."""

    user: int | None
    name: str
    role: RoleName


class ProjectAnswer(Answer):
    id: int
    name: str
    description: str
    layering: Literal["shared", "per_annotator"]
    records_activity: bool
    keeps_originals: bool
    created_at: datetime
    archived_at: datetime | None


class ProjectInFull(ProjectAnswer):
    role: RoleName
    classes: list[ClassAnswer]
    members: list[MemberAnswer]


class ProjectListing(Listing):
    ordering: Literal["id", "-id", "name", "-name", "created_at", "-created_at"] = "id"
    archived: Literal["true", "false"] | None = None


def class_answers(project: Project) -> list[ClassAnswer]:
    return [ClassAnswer.model_validate(one) for one in project.classes.all()]


def member_answer(membership: Membership) -> MemberAnswer:
    user = None if membership.invited_as else membership.user_id
    return MemberAnswer.model_validate({"user": user, "name": membership.shown_name, "role": membership.role})
