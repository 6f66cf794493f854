"""Comments: threads pinned to a cell, a place or the image; who reads them, who is mentioned, what stays."""

import uuid

import pytest
from django.urls import reverse

from labeling.annotations import feed
from labeling.annotations.services import working_layer, write_operations
from labeling.errors import Archived, Invalid, WrongState
from labeling.projects.models import Project, Role
from labeling.reviews.models import Comment, Mention
from labeling.reviews.services import Pin, begin_thread, reopen, reply, resolve, see_mentions
from labeling.rounds.execution.archiving import archive_project
from tests.declined import assert_declined
from tests.factories import ImageFactory, MembershipFactory, ProjectFactory
from tests.labeling.operations import cell, effect, operation
from tests.labeling.pages import signed_in

pytestmark = pytest.mark.django_db
WHOLE = Pin()


@pytest.fixture
def image():
    return ImageFactory()


def member(image, role=Role.ANNOTATOR):
    return MembershipFactory(project=image.project, role=role).user


def thread_of(image, author, text="what is this?", pin=WHOLE) -> Comment:
    return begin_thread(image=image, author=author, text=text, pin=pin)


def readable(user) -> list[str]:
    return list(Comment.objects.visible_to(user).order_by("pk").values_list("text", flat=True))


def test_a_thread_is_begun_answered_resolved_and_reopened(image):
    one, two = member(image), member(image, Role.VIEWER)
    client, other = signed_in(one), signed_in(two)
    address = reverse("image-comments", args=[image.pk])
    made = client.post(address, {"text": " what is this? ", "x": 10, "y": 20}, content_type="application/json").json()
    assert (made["x"], made["y"], made["comments"][0]["text"]) == (10, 20, "what is this?")
    answered = other.post(
        reverse("comment-reply", args=[made["id"]]), {"text": "a mitosis"}, content_type="application/json"
    ).json()
    assert [c["text"] for c in answered["comments"]] == ["what is this?", "a mitosis"]
    resolved = client.post(reverse("comment-resolve", args=[made["id"]]), content_type="application/json").json()
    assert resolved["resolved_by"]["id"] == one.pk
    declined = other.post(reverse("comment-reply", args=[made["id"]]), {"text": "no"}, content_type="application/json")
    assert_declined(declined, 409, says="reopen it")
    listed = reverse("comment-list", args=[image.project_id])
    assert client.get(listed).json()["items"] and client.get(listed, {"open": "true"}).json()["items"] == []
    other.post(reverse("comment-reopen", args=[made["id"]]), content_type="application/json")
    assert len(client.get(listed, {"open": "true"}).json()["items"]) == 1


def test_a_comment_survives_the_deletion_of_its_cell(image):
    user = member(image)
    layer = working_layer(image=image, user=user)
    uid = uuid.uuid4()
    drawn = operation(effect(uid, cell((10, 10, 30, 24))))
    write_operations(layer=layer, author=user, operations=[drawn])
    thread = thread_of(image, user, pin=Pin(layer=layer, annotation=uid))
    gone = operation(effect(uid, None, seen=drawn["op_id"]), action="delete")
    _seq, verdicts = write_operations(layer=layer, author=user, operations=[gone])
    assert verdicts[0].verdict == "accepted"
    thread.refresh_from_db()
    assert (thread.annotation, thread.x, thread.y) == (uid, 20, 17)
    assert readable(user) == ["what is this?"]


@pytest.mark.parametrize(
    "pin",
    [Pin(x=-1, y=2), Pin(x=2), Pin(x=1e9, y=1), Pin(x=float("nan"), y=1), Pin(annotation=uuid.UUID(int=5))],
    ids=str,
)
def test_a_pin_lies_in_the_image(pin, image):
    with pytest.raises(Invalid):
        thread_of(image, member(image), pin=pin)


@pytest.mark.parametrize("text", ["", "   ", "x" * 4001, "a\x00b"], ids=len)
def test_an_empty_or_endless_comment_is_declined(text, image):
    with pytest.raises(Invalid, match="1 to 4000 characters"):
        thread_of(image, member(image), text=text)


def test_who_is_mentioned_hears_of_it_until_they_have_looked(image):
    author, named, stranger = member(image), member(image), MembershipFactory().user
    text = f"@{named.username}, look; @{stranger.username} and @nobody cannot, mail@{named.username} is no name"
    thread_of(image, author, text=text)
    assert [m.person for m in Mention.objects.all()] == [named]
    page = signed_in(named).get("/").content.decode()
    assert "You are mentioned" in page
    assert see_mentions(image=image, user=named) == 1
    assert "You are mentioned" not in signed_in(named).get("/").content.decode()


def test_nobody_mentions_themselves(image):
    author = member(image)
    thread_of(image, author, text=f"@{author.username} was here")
    assert not Mention.objects.exists()


@pytest.fixture
def apart():
    """A project whose annotators read apart: two of them, and a reviewer."""
    project = ProjectFactory(layering=Project.Layering.PER_ANNOTATOR)
    image = ImageFactory(project=project)
    return image, member(image), member(image), member(image, Role.REVIEWER)


def test_where_people_read_apart_nobody_reads_what_tells_of_another_reading(apart):
    image, one, two, lead = apart
    layers = {user: working_layer(image=image, user=user) for user in (one, two)}
    own = thread_of(image, one, text="my doubt")
    about_one = thread_of(image, lead, text="about your cells", pin=Pin(layer=layers[one]))
    to_all = thread_of(image, lead, text="about the stain")
    reply(thread=to_all, author=one, text="I drew 40 cells here")
    reply(thread=own, author=lead, text="so do I")
    assert readable(one) == ["my doubt", "about your cells", "about the stain", "I drew 40 cells here", "so do I"]
    assert readable(two) == ["about the stain"]
    assert len(readable(lead)) == 5
    client = signed_in(two)
    threads = client.get(reverse("image-comments", args=[image.pk])).json()["threads"]
    assert [[c["text"] for c in thread["comments"]] for thread in threads] == [["about the stain"]]
    for hidden in (own, about_one):
        address = reverse("comment-resolve", args=[hidden.pk])
        assert client.post(address, content_type="application/json").status_code == 404
    sent = {"text": "hm", "layer": str(layers[one].pk)}
    declined = client.post(reverse("image-comments", args=[image.pk]), sent, content_type="application/json")
    assert_declined(declined, 422, field="layer")


def test_a_mention_of_somebody_who_may_not_read_it_tells_them_nothing(apart):
    image, one, two, lead = apart
    thread_of(image, one, text=f"@{two.username} what do you think? @{lead.username}?")
    assert [m.person for m in Mention.objects.all()] == [lead]


@pytest.mark.django_db(transaction=True)
def test_who_looks_at_the_image_hears_of_a_comment_at_once(monkeypatch):
    image = ImageFactory()
    user = member(image)
    layer = working_layer(image=image, user=user)
    heard = []
    monkeypatch.setattr(feed, "tell", lambda key, message: heard.append((key, message)))
    thread = thread_of(image, user)
    resolve(thread=thread, by=user)
    assert heard == [(layer.pk, {"comments": image.pk})] * 2


@pytest.mark.django_db(transaction=True)
def test_the_feed_of_another_reader_stays_silent(apart, monkeypatch):
    image, one, two, _lead = apart
    layers = [working_layer(image=image, user=user) for user in (one, two)]
    heard = []
    monkeypatch.setattr(feed, "tell", lambda key, message: heard.append(key))
    thread_of(image, one)
    assert heard == [layers[0].pk]


def test_an_archived_project_keeps_its_comments_as_they_are(image):
    owner = member(image, Role.OWNER)
    thread = thread_of(image, owner)
    archive_project(project=image.project, by=owner)
    thread = Comment.objects.select_related("image__project").get(pk=thread.pk)
    for act in (
        lambda: reply(thread=thread, author=owner, text="late"),
        lambda: resolve(thread=thread, by=owner),
        lambda: reopen(thread=thread),
        lambda: thread_of(thread.image, owner),
    ):
        with pytest.raises(Archived):
            act()
    assert signed_in(owner).get(reverse("image-comments", args=[image.pk])).json()["threads"]


def test_a_reply_to_a_resolved_thread_asks_to_reopen_it(image):
    user = member(image)
    thread = resolve(thread=thread_of(image, user), by=user)
    with pytest.raises(WrongState):
        reply(thread=thread, author=user, text="one more thing")
    reply(thread=reopen(thread=thread), author=user, text="one more thing")


def test_many_threads_are_read_by_a_constant_number_of_queries(image, django_assert_max_num_queries):
    user = member(image)
    for _ in range(12):
        reply(thread=thread_of(image, user), author=user, text="yes")
    client = signed_in(user)
    with django_assert_max_num_queries(14):
        assert len(client.get(reverse("image-comments", args=[image.pk])).json()["threads"]) == 12
