"""The client against a server with a database: tokens that have ended, rights, two who change one thing, retries."""

import hashlib
import time
from datetime import timedelta
from threading import Thread

import boxwise
import httpx
import pytest
from boxwise.client import Client
from boxwise.commands.files import upload
from boxwise.images import FILES_AT_ONCE, files_of, parts_of
from boxwise.resumable import send_file
from django.utils import timezone

from labeling.accounts.models import PersonalToken
from labeling.images.contract import UploadForm
from labeling.images.resumable import services
from labeling.images.resumable_uploads import ResumableUpload
from labeling.jobs.models import Job
from labeling.notifications.models import Kind
from labeling.notifications.services import notify
from labeling.projects.models import Project
from tests.factories import MembershipFactory, ProjectFactory, UserFactory, png
from tests.labeling.pages import make_study
from tests.tokens import token_of

pytestmark = [pytest.mark.django_db(transaction=True)]


def client_of(live_server, user, scope="manage") -> Client:
    return Client(live_server.url, token_of(user, scope))


def test_a_token_that_has_ended_says_so(live_server):
    user = UserFactory()
    client = client_of(live_server, user)
    assert client.me()["username"] == user.username
    user.personal_tokens.update(revoked_at=timezone.now())
    with pytest.raises(boxwise.NotSignedIn) as revoked:
        client.me()
    assert revoked.value.code == "token_revoked" and "Your account" in str(revoked.value)
    day = timedelta(days=1)
    PersonalToken.objects.update(revoked_at=None, made_at=timezone.now() - 2 * day, expires_at=timezone.now() - day)
    with pytest.raises(boxwise.NotSignedIn) as expired:
        list(client.projects())
    assert expired.value.code == "token_expired"
    with pytest.raises(boxwise.NotSignedIn) as unknown:
        Client(live_server.url, "bxw_nobody").me()
    assert unknown.value.code == "token_unknown"


def test_a_narrow_token_and_a_stranger_reach_no_further(live_server):
    project = ProjectFactory(name="Brüst")
    owner = MembershipFactory(project=project, role="owner").user
    reader = client_of(live_server, owner, "read").project("Brüst")
    with pytest.raises(boxwise.NotAllowed) as narrow:
        reader.change(name="Breast")
    assert narrow.value.code == "scope_too_narrow"
    stranger = client_of(live_server, UserFactory())
    with pytest.raises(boxwise.NotFound):
        stranger.project(project.pk)
    with pytest.raises(KeyError, match="no project 'Brüst'"):
        stranger.project("Brüst")


def test_two_who_change_one_project(live_server):
    project = ProjectFactory(name="Lung")
    owners = [MembershipFactory(project=project, role="owner").user for _ in range(2)]
    first, second = (client_of(live_server, owner).project(project.pk) for owner in owners)
    first.change(description="of rats")
    with pytest.raises(boxwise.Conflict) as late:
        second.change(description="of mice")
    assert late.value.code == "changed"
    assert second.refresh().change(description="of mice").facts["description"] == "of mice"


def test_a_project_that_cannot_be_names_its_field(live_server):
    client = client_of(live_server, UserFactory(creates_projects=True))
    with pytest.raises(boxwise.Invalid) as error:
        client.create_project("x" * 201)
    assert error.value.field == "name" and error.value.status == 422


def test_all_pages_of_a_list_come(live_server):
    user = UserFactory()
    for number in range(3):
        MembershipFactory(project=ProjectFactory(name=f"p{number}"), user=user)
    client = client_of(live_server, user)
    found = client.every(lambda cursor, limit: client.api.project_list_get(cursor=cursor, limit=2))
    assert [one["name"] for one in found] == ["p0", "p1", "p2"] == [one.name for one in client.projects()]


def test_events_come_once_in_their_order_and_of_one_project_alone(live_server):
    user = UserFactory()
    one, other = (MembershipFactory(project=ProjectFactory(name=name), user=user).project for name in "ab")

    def happens(project, subject):
        notify(kind=Kind.ROUND_ENDED, people=[user], project=project, path="/", subject=subject)

    happens(one, "0")  # before anybody follows
    client = client_of(live_server, user)
    everything, of_one = client.events(seconds=1.5), client.project(one.pk).events(seconds=1.5)
    heard = []
    threads = [Thread(target=lambda events=events: heard.append(list(events))) for events in (everything, of_one)]
    for thread in threads:
        thread.start()
    time.sleep(0.7)
    for number in range(1, 31):  # more than a page
        happens(one if number % 2 else other, str(number))
    for thread in threads:
        thread.join(30)
    paths = sorted(([row["id"] for row in rows] for rows in heard), key=len)
    assert [len(rows) for rows in paths] == [15, 30]
    assert all(rows == sorted(set(rows)) for rows in paths)


def test_an_address_that_the_server_has_not_is_its_age(live_server):
    client = client_of(live_server, UserFactory())
    with pytest.raises(boxwise.ServerTooOld, match="older than this client"):
        client.transport.json("GET", "of-next-year/")


def test_what_is_drawn_is_seen_and_a_wrong_box_is_named(live_server):
    there = make_study()
    image = client_of(live_server, there.people["owner"]).project(there.project.pk).images[there.image.name]
    before = len(image.annotations()["cells"])
    assert image.draw([[1, 1, 9, 9], [2, 2, 12, 12]]) == 2
    cells = image.annotations()["cells"]
    assert len(cells) == before + 2
    assert [one["verdict"] for one in image.reject([cells[-1]["id"]])] == ["accepted"]
    with pytest.raises(boxwise.Invalid) as error:
        image.draw([[1, 1, 9, 9], [5, 5, 4, 9]])
    assert "box 1: the box 5, 5, 4, 9 is empty" in str(error.value)
    assert image.labels("masks").shape == (there.image.height, there.image.width)
    assert image._repr_png_().startswith(b"\x89PNG")
    assert Project.objects.count() == 1


# -- files, without a server


def test_the_upload_command_names_the_facts_as_the_server_does():
    of_the_command = {"project", "files", "server", "token", "as_json"}
    facts = {parameter.name for parameter in upload.params} - of_the_command
    assert "patient" in facts and facts <= set(UploadForm.model_fields)


def test_what_goes_up_together(tmp_path):
    for number in range(FILES_AT_ONCE + 5):
        (tmp_path / f"bild ü {number:02}.png").write_bytes(b"x")
    (tmp_path / "notes.txt").write_text("no picture")
    found = files_of(tmp_path)
    assert len(found) == FILES_AT_ONCE + 5 and found == sorted(found)
    assert [len(part) for part in parts_of(found)] == [FILES_AT_ONCE, 5]
    with (tmp_path / "huge.tif").open("wb") as file:
        file.truncate(10 * 2**30)  # ten gigabytes that take no place
    alone = [part for part in parts_of(files_of(tmp_path)) if part[-1].name == "huge.tif"]
    assert [len(part) for part in alone] == [1]
    with pytest.raises(FileNotFoundError):
        files_of(tmp_path / "none.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(boxwise.BoxwiseError, match="holds no picture"):
        files_of(tmp_path / "empty")


@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_large_file_goes_on_where_it_was_cut(cut, live_server, tmp_path, monkeypatch):
    """A connection that breaks before or after a piece has arrived costs that piece at most."""
    made = make_study()
    client = client_of(live_server, made.people["manager"])
    client.transport.sleep = lambda seconds: None
    path = tmp_path / "Präparat.png"
    path.write_bytes(png(seed=11))
    request, sent = client.transport.http.request, []

    def breaks(method, address, **given):
        if method == "PATCH":
            sent.append(int(given["headers"]["Upload-Offset"]))
            if len(sent) in (2, 3, 9):
                if cut == "after":
                    request(method, address, **given)
                raise httpx.ReadError("the connection broke")
        return request(method, address, **given)

    monkeypatch.setattr(client.transport.http, "request", breaks)
    size = path.stat().st_size
    facts = {"split": "val", "tags": ["a", "b"]}
    job = send_file(client.transport, made.project.pk, path, facts, piece=size // 6)
    upload = ResumableUpload.objects.get()
    assert (upload.job_id, upload.sha256) == (job, hashlib.sha256(path.read_bytes()).hexdigest())
    assert (upload.facts["split"], upload.facts["tags"]) == ("val", ["a", "b"])
    assert len(sent) <= 7 + 3


def test_a_later_call_goes_on_with_what_is_there(live_server, tmp_path, monkeypatch):
    made = make_study()
    client = client_of(live_server, made.people["manager"])
    path = tmp_path / "a.png"
    path.write_bytes(png(seed=12))
    begun = ResumableUpload.objects
    request = client.transport.http.request

    def ends(method, address, **given):
        if method == "PATCH" and given["headers"]["Upload-Offset"] != "0":
            raise KeyboardInterrupt
        return request(method, address, **given)

    monkeypatch.setattr(client.transport.http, "request", ends)
    with pytest.raises(KeyboardInterrupt):
        send_file(client.transport, made.project.pk, path, {}, piece=100)
    assert begun.get().offset == 100
    monkeypatch.undo()
    send_file(client.transport, made.project.pk, path, {})
    assert begun.get().offset == path.stat().st_size


def test_what_is_not_stated_of_a_large_file_is_not_sent(live_server, tmp_path):
    """`boxwise upload` hands on None for every option that is not given."""
    made = make_study()
    client = client_of(live_server, made.people["manager"])
    path = tmp_path / "a.png"
    path.write_bytes(png(seed=13))
    send_file(client.transport, made.project.pk, path, {"split": None, "patient": None, "um_per_px": None})
    facts = ResumableUpload.objects.get().facts
    assert (facts["split"], facts["patient"], facts["um_per_px"]) == ("train", "", None)


def test_a_large_file_goes_in_one_request_to_a_server_with_object_storage(live_server, tmp_path, monkeypatch):
    class Bucket:
        def path(self, name):
            raise NotImplementedError

    monkeypatch.setattr(services, "uploads_storage", Bucket)
    made = make_study()
    path = tmp_path / "a.png"
    path.write_bytes(png(seed=14))
    job = client_of(live_server, made.people["manager"]).project(made.project.pk).images._send_large(path, {})
    assert [item["name"] for item in job.facts["items"]] == ["a.png"]
    assert not ResumableUpload.objects.exists()


def test_proposing_is_a_job_of_the_images_that_were_named(live_server, sent):
    study = make_study()
    project = client_of(live_server, study.people["owner"]).project(study.project.pk)
    image = project.images[study.image.pk]
    job = project.propose([image], region=(0, 0, 40, 40), device="cpu")
    assert (job.facts["kind"], job.state) == ("propose", "waiting")
    assert Job.objects.get(pk=job.id).request["images"] == [image.id]
    with pytest.raises(boxwise.Invalid):
        project.propose([image], region=(0, 0, 40))
