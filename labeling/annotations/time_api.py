"""Active time over HTTP: one's own, and of everybody for who oversees the project."""

from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.accounts.models import User
from labeling.annotations.summaries import FEWEST_PEOPLE, RULES, ProjectTime, project_time
from labeling.contract import Answer, contract
from labeling.projects.access import person, reach_project
from labeling.projects.models import MAY, Project


class PersonTime(Answer):
    user: int
    name: str
    seconds: float


class TimeAnswer(Answer):
    """Seconds of active time. `everyone` is null for fewer than `fewest` people; `people` are those whom you may see.

    `left_out` sessions are not summarised yet.
    """

    idle_after_s: float
    own: float
    everyone: float | None
    fewest: int
    people: list[PersonTime]
    left_out: int


def seen_people(recorded: ProjectTime, project: Project, user: User) -> list[int]:
    """Whose time `user` may see: everybody's as who oversees the project, else their own."""
    if project.role_of(user) in MAY["oversee"]:
        return list(recorded.people)
    return [one for one in recorded.people if one == user.pk]


class Time(APIView):
    @contract(answer=TimeAnswer)
    def get(self, request: Request, project: int) -> TimeAnswer:
        user = person(request)
        found = reach_project(request, "see", project)
        recorded = project_time(found)
        shown = User.objects.filter(pk__in=seen_people(recorded, found, user)).order_by("pk")
        people = [PersonTime(user=one.pk, name=one.display_name, seconds=recorded.active(one).seconds) for one in shown]
        return TimeAnswer(
            idle_after_s=RULES.idle_after_s,
            own=recorded.active(user).seconds,
            everyone=recorded.active().seconds if len(recorded.people) >= FEWEST_PEOPLE else None,
            fewest=FEWEST_PEOPLE,
            people=people,
            left_out=recorded.left_out,
        )
