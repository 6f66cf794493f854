"""Notifications: who is told of what, what one can switch off, the digest by mail, and deadlines of assignments."""

from datetime import date, timedelta

import pytest
from django.core import mail
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from labeling.accounts.services import close_account
from labeling.assignments import services
from labeling.assignments.reviewing import send_back
from labeling.notifications.models import Kind, Notification
from labeling.notifications.services import Choice, choose, see_all, unseen, words_of
from labeling.projects.models import Role
from labeling.reviews.services import Pin, begin_thread
from labeling.rounds.models import Delivery
from labeling.rounds.notices import delivery, digests
from labeling.rounds.notices.announcements import announce
from tests.factories import MembershipFactory
from tests.labeling.pages import make_study, signed_in
from tests.labeling.team import make_team

pytestmark = pytest.mark.django_db


def notified_of(user) -> list[str]:
    rows = Notification.objects.visible_to(user).select_related("actor", "image", "project").order_by("pk")
    return [words_of(row) for row in rows]


def assign(team, reader, n=2, **kwargs):
    items = [item.pk for item in team.items[:n]]
    return services.assign_items(project=team.project, items=items, readers=[reader], by=team.owner, **kwargs)


def test_several_images_that_are_assigned_at_once_are_one_notification():
    team = make_team(images=3)
    one, two = team.people
    assert assign(team, one) == 2
    assert notified_of(one) == [f"{team.owner.display_name} assigned 2 images to you"] and notified_of(two) == []


def test_nobody_is_told_of_what_they_did_themselves():
    team = make_team(images=1)
    assign(team, team.owner, 1)
    assert notified_of(team.owner) == []


def test_who_is_sent_something_back_or_mentioned_is_told_and_led_there():
    team = make_team(images=1, real=True)
    one, two = team.people
    item = team.items[0]
    services.begin_item(item_id=item.pk, user=one)
    services.finish_item(item_id=item.pk, user=one)
    send_back(item_id=item.pk, by=team.reviewer, comment="a cell is missing")
    thread = begin_thread(image=item.image, author=one, text=f"@{two.username} which?", pin=Pin())
    assert notified_of(one) == [f"{team.reviewer.display_name} sent {item.image.name} back to you"]
    (mentioned,) = two.notifications.all()
    assert mentioned.path == f"{reverse('image', args=[item.image_id])}#comment-{thread.pk}"
    client = signed_in(one)
    assert "1 new" in " ".join(client.get(reverse("notifications")).content.decode().split())
    client.post(reverse("notifications-seen"))
    assert unseen(one) == 0


def test_who_leads_a_project_is_told_that_a_round_ended():
    study = make_study()
    manager, annotator = study.people["manager"], study.people["annotator"]
    study.round.finished_at = timezone.now()
    announce(study.round)
    assert notified_of(manager) == ["Round 1 ended"] and notified_of(annotator) == []


def test_each_kind_can_be_switched_off_by_itself():
    team = make_team(images=3)
    one = team.people[0]
    choose(person=one, choices={Kind.ASSIGNED: Choice(in_app=False, by_mail=True)})
    assign(team, one)
    assert notified_of(one) == []
    signed_in(one).post(reverse("notifications"), {"in_app": ["assigned"], "by_mail": ["assigned", "mentioned"]})
    saved = {row.kind: (row.in_app, row.by_mail) for row in one.notification_choices.all()}
    assert saved == {
        "assigned": (True, True), "sent_back": (False, False), "mentioned": (False, False),
        "round_ended": (False, False), "retention_ends": (False, False),
    }  # fmt: skip


def test_who_has_left_the_project_sees_nothing_of_it_any_more():
    team = make_team(images=1)
    one = team.people[0]
    assign(team, one, 1)
    team.project.memberships.get(user=one).delete()
    assert notified_of(one) == [] and unseen(one) == 0


def test_a_mention_that_is_out_of_sight_stays_new_when_all_is_seen():
    """The readings are open again, so the comment is unseen, and so is that there is one."""
    team = make_team(images=1, real=True, readings=2, is_blind=True)
    one, two = team.people
    (item,) = team.items
    for reader in (one, two):
        services.begin_item(item_id=item.pk, user=reader)
    for reader in (one, two):
        services.finish_item(item_id=item.pk, user=reader)
    begin_thread(image=item.image, author=one, text=f"@{two.username} which?", pin=Pin())
    send_back(item_id=item.pk, by=team.reviewer, comment="a cell is missing")
    assert see_all(person=two) == 1
    for reader in (one, two):
        services.finish_item(item_id=item.pk, user=reader)
    assert unseen(two) == 1


# -- by mail


def by_mail(team, reader):
    choose(person=reader, choices={Kind.ASSIGNED: Choice(by_mail=True)})
    reader.email = "reader@example.org"
    reader.save()
    assign(team, reader, 1)


def later():
    return timezone.now() + digests.GATHER + timedelta(seconds=1)


def test_what_is_new_is_gathered_and_mailed_once():
    team = make_team(images=3)
    one = team.people[0]
    by_mail(team, one)
    services.assign_items(project=team.project, items=[team.items[1].pk], readers=[one], by=team.owner)
    assert digests.recover(timezone.now()) == []  # not an hour old yet
    assert len(digests.recover(later())) == 1 and digests.recover(later()) == []
    sent = Delivery.objects.get(event="digest")
    Delivery.objects.update(due_at=timezone.now())
    delivery.attempt(sent.pk)
    (message,) = mail.outbox
    assert message.to == ["reader@example.org"] and message.subject == "Breast: 2 things are new for you"
    assert message.body.count("assigned 1 image to you") == 2 and reverse("notifications") in message.body


def test_what_was_seen_in_the_app_is_not_mailed_and_nobody_without_an_address_is():
    team = make_team(images=3)
    one, two = team.people
    by_mail(team, one)
    one.notifications.update(seen_at=timezone.now())
    by_mail(team, two)
    two.email = ""
    two.save()
    assert digests.recover(later()) == [] and not Delivery.objects.exists()


def test_a_closed_account_gets_no_digest():
    team = make_team(images=1)
    one = team.people[0]
    by_mail(team, one)
    close_account(user=one, by=team.owner)
    assert digests.recover(later()) == [] and not Delivery.objects.exists()


def test_what_comes_while_a_digest_is_written_is_in_the_next_one():
    team = make_team(images=2)
    one = team.people[0]
    by_mail(team, one)
    came = []

    def assign_meanwhile(execute, statement, *rest):
        if not came and statement.startswith('UPDATE "labeling_notification"'):
            came.append(team.items[1].pk)
            services.assign_items(project=team.project, items=came, readers=[one], by=team.owner)
        return execute(statement, *rest)

    with connection.execute_wrapper(assign_meanwhile):
        digests.recover(later())
    assert came and one.notifications.filter(mailed_at=None).count() == 1
    assert len(digests.recover(later())) == 1


# -- deadlines


def test_what_is_due_first_comes_first():
    team = make_team(images=3)
    one = team.people[0]
    late, early = date(2030, 2, 1), date(2030, 1, 1)
    for item, due in zip(team.items, (None, late, early), strict=True):
        services.assign_items(project=team.project, items=[item.pk], readers=[one], by=team.owner, due_on=due)
    order = [reading.item_id for reading in services.active_readings(project=team.project, user=one)]
    assert order == [team.items[2].pk, team.items[1].pk, team.items[0].pk]
    assert notified_of(one)[-1].endswith("due on 2030-01-01")


def test_a_lead_gives_the_deadline_on_the_page_and_it_is_shown():
    team = make_team(images=1, real=True)
    lead = MembershipFactory(project=team.project, role=Role.MANAGER).user
    sent = {"items": [team.items[0].pk], "readers": [team.people[0].pk], "due_on": "2030-01-31"}
    client = signed_in(lead)
    client.post(reverse("team-assign", args=[team.project.pk]), sent)
    assert "2030-01-31" in client.get(reverse("project-team", args=[team.project.pk])).content.decode()
    client.post(reverse("team-assign", args=[team.project.pk]), sent | {"due_on": "soon"})
    assert team.items[0].readings.get().due_on == date(2030, 1, 31)
