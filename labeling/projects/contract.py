"""Projects as the API says them."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field

from labeling.accounts.models import User
from labeling.contract import Answer, Body, Id, OneOf, ShortText, Text
from labeling.paging import Listing
from labeling.projects.access import members_seen_by
from labeling.projects.models import LabelClass, Membership, Project

ProjectName = Annotated[Text, Field(max_length=200)]
ClassName = Annotated[Text, Field(max_length=100)]
RoleName = Literal["owner", "manager", "reviewer", "annotator", "viewer"]
SeniorityName = Literal["", "student", "resident", "pathologist"]


class ClassAnswer(Answer):
    """`parent` is the wider class that it belongs to. A retired class is not offered any more, and cells keep it.
    `merged_into` is the class that its cells have now."""

    id: int
    name: str
    color: str
    key: int | None
    parent: int | None
    is_retired: bool
    merged_into: int | None


class MemberAnswer(Answer):
    """`id` is the membership's. `user` is null before the first sign-in: the number of a new account is higher than
    that of an old one."""

    id: int
    user: int | None
    name: str
    role: RoleName
    seniority: SeniorityName
    centre: int | None
    skills: list[str]


class AddedMember(MemberAnswer):
    """`link` is how somebody new comes in, said once; null for a colleague."""

    link: str | None


class AttributeAnswer(Answer):
    name: str
    values: list[str]


class ProjectAnswer(Answer):
    """`removed_at`: of a deleted project, which owners alone see, when it goes for good."""

    id: int
    name: str
    description: str
    layering: Literal["shared", "per_annotator"]
    records_activity: bool
    keeps_originals: bool
    deidentifies: bool
    name_pattern: str
    model_channels: list[str]
    approval: str
    data_use: str
    retention_until: date | None
    permitted_centres: list[str]
    created_at: datetime
    archived_at: datetime | None
    deleted_at: datetime | None
    removed_at: datetime | None


class ProjectInFull(ProjectAnswer):
    """`members`: where annotators read apart they find themselves alone; those who lead find everybody."""

    role: RoleName
    classes: list[ClassAnswer]
    attributes: list[AttributeAnswer]
    members: list[MemberAnswer]


class ProjectListing(Listing):
    ordering: Literal["id", "-id", "name", "-name", "created_at", "-created_at"] = "id"
    archived: Literal["true", "false"] | None = None


class ClassListing(Listing):
    """`position` is the order in which people choose: retired classes stand last. `in_use`: neither merged nor
    retired."""

    ordering: Literal["position", "-position", "name", "-name", "id", "-id"] = "position"
    in_use: Literal["true", "false"] | None = None


class MemberListing(Listing):
    ordering: Literal["id", "-id"] = "id"
    role: RoleName | None = None


class NewProject(Body):
    """`layering` cannot be changed later. The classes have the palette's colours, in order."""

    name: ProjectName
    description: Text = ""
    layering: Annotated[str, OneOf(Project.Layering)] = Project.Layering.SHARED.value
    records_activity: bool = False
    classes: Annotated[list[ClassName], Field(min_length=1, max_length=200)] = ["nucleus"]


class ProjectChange(Body):
    """What is left out stays as it is. `model_channels`: names of the channels that models see of slides with several;
    [] for all that are shown at first.

    Owners alone change the terms: `approval` is the approval number, `data_use` what the data may be used for,
    `retention_until` the day after which they should go (null: none; nothing is deleted by itself),
    `permitted_centres` the names of centres whose tissue may come in ([]: all)."""

    name: ProjectName | None = None
    description: Text | None = None
    records_activity: bool | None = None
    keeps_originals: bool | None = None
    deidentifies: bool | None = None
    name_pattern: Annotated[Text, Field(max_length=300)] | None = None
    model_channels: Annotated[list[ShortText], Field(max_length=16)] | None = None
    approval: ShortText | None = None
    data_use: Annotated[Text, Field(max_length=10_000)] | None = None
    retention_until: date | None = None
    permitted_centres: Annotated[list[ShortText], Field(max_length=100)] | None = None


class NewClass(Body):
    name: ClassName
    parent: Id | None = None


class ClassChange(Body):
    """What is left out stays as it is. `color` as in "#0072b2"; `parent` null: at the top."""

    name: ClassName | None = None
    color: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] | None = None
    parent: Id | None = None
    is_retired: bool | None = None


class NewMember(Body):
    """`username` is the name to sign in with; a new one makes an account."""

    username: Annotated[Text, Field(max_length=150)]
    role: RoleName = "annotator"


class MemberChange(Body):
    """What is left out stays as it is. `centre` is where the person works, null for none; `skills` are tags of images
    that they read."""

    role: RoleName | None = None
    seniority: SeniorityName | None = None
    centre: Id | None = None
    skills: Annotated[list[Text], Field(max_length=100)] | None = None


class Removed(Answer):
    """`removed` is the id of what is there no more."""

    removed: int


def project_in_full(project: Project, user: User) -> ProjectInFull:
    members = members_seen_by(user, project).order_by("pk")
    return ProjectInFull.model_validate(
        {
            **dict(ProjectAnswer.model_validate(project)),
            "role": project.role_of(user),
            "classes": class_answers(project),
            "attributes": [AttributeAnswer(name=name, values=values) for name, values in project.attributes],
            "members": [member_answer(one) for one in members],
        }
    )


def class_answers(project: Project) -> list[ClassAnswer]:
    return [class_answer(one) for one in project.classes.all()]


def class_answer(label_class: LabelClass) -> ClassAnswer:
    return ClassAnswer(
        id=label_class.pk,
        name=label_class.name,
        color=label_class.color,
        key=label_class.key,
        parent=label_class.parent_id,
        is_retired=label_class.retired_at is not None,
        merged_into=label_class.merged_into_id,
    )


def member_answer(membership: Membership) -> MemberAnswer:
    user = None if membership.invited_as else membership.user_id
    return MemberAnswer.model_validate(
        {
            "id": membership.pk,
            "user": user,
            "name": membership.shown_name,
            "role": membership.role,
            "seniority": membership.seniority,
            "centre": membership.centre_id,
            "skills": membership.skills,
        }
    )
