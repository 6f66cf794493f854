"""After every act on the pages of a project, the page shows what a reload shows (P7)."""

import re
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from labeling.projects.models import Role
from labeling.rounds.models import Round
from labeling.site import urls
from labeling.site.image_views import DEPENDS_ON_IMAGES
from tests.factories import LabelClassFactory, MembershipFactory, ProjectFactory, png
from tests.labeling.operations import cell, region
from tests.labeling.pages import draw, signed_in
from tests.labeling.uploads import read_uploads

pytestmark = pytest.mark.django_db
VOID = {"meta", "link", "input", "img", "br", "hr", "rect", "path", "circle", "line", "polyline", "wbr"}


class Elements(HTMLParser):
    """The text of every element that has an id, and where htmx sends its forms and fragments."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=False)
        self.page, self.found, self.attributes, self.open = page, {}, {}, []
        self.lines = [0]
        for line in page.splitlines(keepends=True):
            self.lines.append(self.lines[-1] + len(line))
        self.feed(page)

    def at(self) -> int:
        line, column = self.getpos()
        return self.lines[line - 1] + column

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if "id" in attributes:
            self.attributes[attributes["id"]] = attributes
        if tag not in VOID:
            self.open.append((tag, attributes.get("id"), self.at()))

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        while self.open:
            name, key, begin = self.open.pop()
            if name == tag:
                if key:
                    self.found[key] = self.page[begin : self.at() + len(f"</{tag}>")]
                return


def part_of(response) -> str:
    """A page or a part of one without what differs between any two answers."""
    page = response.content.decode()
    page = re.sub(r'name="csrfmiddlewaretoken" value="[^"]*"', "", page)
    page = re.sub(r'<time datetime="[^"]*" title="[^"]*">[^<]*</time>', "<time>", page)
    return re.sub(r'<span class="num muted">under 1 s</span>|<span class="num muted">\d+ s</span>', "", page)


def main_of(response) -> str:
    page = part_of(response)
    return page[page.index("<main") : page.index("</main>")]


def swapped(before: str, answer: str) -> str:
    """The page after htmx has put the fragments of `answer` in, as #images says."""
    images = Elements(before).attributes["images"]
    names = [images["hx-select"], *images["hx-select-oob"].split(",")]
    assert images["hx-swap"] == "outerHTML" and images["hx-trigger"] == "images-changed from:body"
    new = Elements(answer).found
    after = before
    for name in (name.removeprefix("#") for name in names):
        old = Elements(after).found
        if name in old:
            after = after.replace(old[name], new[name])
    return after


@pytest.fixture
def there(sent):
    project = ProjectFactory(name="Breast", records_activity=True)
    owner = MembershipFactory(project=project, role=Role.OWNER).user
    LabelClassFactory(project=project, name="nucleus", position=1)
    return SimpleNamespace(project=project, owner=owner, client=signed_in(owner), n=0)


def upload(there, **more):
    """Send an image, let it be read, and ask as the page does. -> the answer by which the page learns of the image."""
    there.n += 1
    image = SimpleUploadedFile(f"{there.n}.png", png(seed=5000 + there.n), content_type="image/png")
    address = reverse("project-images", args=[there.project.pk])
    form = {"images": [image], "split": "train"} | more
    sent = there.client.post(address, form, headers={"HX-Request": "true"}).content.decode()
    read_uploads()
    poll = Elements(sent).attributes["uploads"]["hx-get"].replace("&amp;", "&")
    return there.client.get(poll, headers={"HX-Request": "true"})


def learnable(there):
    """An image with boxes in a fully annotated region, so that a round can start."""
    upload(there)
    draw(there.project.images.first(), there.owner, cell(), cell((30, 20, 44, 40)), region())


def at_work(there):
    learnable(there)
    there.client.post(reverse("project-rounds", args=[there.project.pk]), {"preset": "tiny"})


def ended(there, state):
    round_ = there.project.rounds.get()
    Round.objects.filter(pk=round_.pk).update(state=state)
    return there.client.get(reverse("round-at-work", args=[round_.pk]), headers={"HX-Request": "true"})


def post(there, route, form=None, *keys):
    return there.client.post(reverse(route, args=[*(keys or [there.project.pk])]), form or {})


def cancel(there):
    return post(there, "cancel-round", {}, there.project.rounds.get().pk)


def member(there):
    return there.project.memberships.exclude(user=there.owner).first()


def with_member(there):
    MembershipFactory(project=there.project, role=Role.VIEWER)


# route, what was there before, the act
ACTS = [
    ("project-images", lambda there: None, upload),
    ("project-images", upload, lambda there: upload(there, scanner="Aperio", centre="Bern", stain="H&E")),
    ("project-images", learnable, upload),
    ("project-images", at_work, upload),
    ("project-classes", upload, lambda there: post(there, "project-classes", {"name": "mitosis"})),
    ("project-classes", upload, lambda there: post(there, "project-classes", {"name": ""})),
    ("project-members", upload, lambda there: post(there, "project-members", {"username": "eva", "role": "viewer"})),
    ("project-member", with_member, lambda there: post(
        there, "project-member", {"role": "annotator"}, there.project.pk, member(there).pk)),
    ("project-member", with_member, lambda there: post(
        there, "project-member", {"remove": "1"}, there.project.pk, member(there).pk)),
    ("project-rounds", learnable, lambda there: post(there, "project-rounds", {"preset": "tiny"})),
    ("project-rounds", upload, lambda there: post(there, "project-rounds", {"preset": "tiny"})),
    ("project-rounds", at_work, lambda there: post(there, "project-rounds", {"preset": "tiny", "line_up": "1"})),
    ("cancel-round", at_work, cancel),
    ("round-at-work", at_work, lambda there: ended(there, "published")),
    ("round-at-work", at_work, lambda there: ended(there, "failed")),
    ("project-exports", learnable, lambda there: post(there, "project-exports", {"layout": "coco"})),
    ("archive-project", learnable, lambda there: post(there, "archive-project")),
]  # fmt: skip


@pytest.mark.parametrize(("route", "before", "act"), ACTS, ids=[f"{n}-{a[0]}" for n, a in enumerate(ACTS)])
def test_after_an_act_the_page_is_what_a_reload_shows(route, before, act, there):
    before(there)
    page = reverse("project-images", args=[there.project.pk])
    shown = main_of(there.client.get(page))
    answer = act(there)
    is_whole = answer.status_code in (302, 422) or answer.headers.get("HX-Refresh") == "true"
    if not is_whole:
        assert answer.status_code == 200 and answer.headers["HX-Trigger"] == "images-changed"
        fragments = there.client.get(Elements(shown).attributes["images"]["hx-get"], headers={"HX-Request": "true"})
        after = swapped(shown, main_of(fragments))
        uploads = Elements(after).found["uploads"]
        after = after.replace(uploads, Elements(part_of(answer)).found["uploads"])
        assert after == main_of(there.client.get(page))
        assert shown != main_of(there.client.get(page))


def test_the_order_of_the_images_is_kept_when_images_come(there, monkeypatch):
    upload(there)
    page = there.client.get(
        reverse("project-images", args=[there.project.pk]) + "?order=suggested&by=entropy"
    ).content.decode()
    again = Elements(page).attributes["images"]["hx-get"].replace("&amp;", "&")
    assert again.endswith("?order=suggested&by=entropy&page=1")


def test_every_fragment_is_on_the_page(there):
    upload(there)
    page = there.client.get(reverse("project-images", args=[there.project.pk])).content.decode()
    assert {*DEPENDS_ON_IMAGES} <= Elements(page).attributes.keys()


@pytest.mark.parametrize("route", ["project", "project-images", "project-rounds", "project-exports"])
def test_every_form_of_a_page_is_in_the_table(route, there):
    """A form that htmx sends would not load the page anew."""
    at_work(there)
    with_member(there)
    page = main_of(there.client.get(reverse(route, args=[there.project.pk])))
    sent = re.findall(r'<form[^>]*?(?:action|hx-post)="([^"]+)"', page, re.S)
    listed = {route for route, _before, _act in ACTS}
    patterns = {u.name: re.sub(r"<int:\w+>", r"\\d+", str(u.pattern)) for u in urls.urlpatterns}
    elsewhere = {"project-imports"}  # a file, which reloads
    for address in sent:
        names = {name for name, pattern in patterns.items() if re.fullmatch("/" + pattern, address.split("?")[0])}
        assert names & (listed | elsewhere), address
