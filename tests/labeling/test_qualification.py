"""Training fields with feedback, test fields without, and admission for the classes that somebody passes."""

import uuid

import pytest
from django.http import Http404
from django.urls import reverse
from rest_framework.test import APIClient
from scipy.stats import beta

from labeling.annotations.models import Layer
from labeling.annotations.services import Loaded, load_layer, working_layer, write_operations
from labeling.annotations.state import AnnotationState
from labeling.assignments.declaring import declare_workflow
from labeling.assignments.models import ItemEvent
from labeling.assignments.rules import admissions_of
from labeling.assignments.states import Act
from labeling.errors import Invalid, WrongState
from labeling.guidelines.services import NotAcknowledged, read_guideline, write_guideline
from labeling.images.models import Image
from labeling.images.patients import Centre, Patient
from labeling.images.private_copies import copy_privately
from labeling.label_classes import merging
from labeling.projects.models import Project, Role
from labeling.projects.services import NotAllowed
from labeling.qualification import services
from labeling.qualification.models import Attempt
from labeling.qualification.results import class_results, interval, judge
from labeling.quality_control.models import CheckField, ControlPlan
from labeling.reviews.certificates.models import LotCell
from labeling.reviews.models import Consensus
from labeling.rounds.models import ReferenceSet
from tests.factories import ImageFactory, LabelClassFactory, MembershipFactory, ProjectFactory
from tests.labeling.lots import bare_lot
from tests.labeling.operations import cell, effect, operation
from tests.labeling.pages import page_text, signed_in

pytestmark = pytest.mark.django_db
PLACES = [(2.0, 2.0, 10.0, 10.0), (14.0, 2.0, 22.0, 10.0), (26.0, 2.0, 34.0, 10.0), (38.0, 2.0, 46.0, 10.0)]


class School:
    """A project with a locked reference: six images of six patients, each with two cells of each of two classes."""

    def __init__(self) -> None:
        self.project = ProjectFactory(name="Breast")
        self.owner = MembershipFactory(project=self.project, role=Role.OWNER).user
        self.student = MembershipFactory(project=self.project).user
        self.a = LabelClassFactory(project=self.project, name="a", position=1)
        self.b = LabelClassFactory(project=self.project, name="b", position=2)
        self.images = []
        centre = Centre.objects.create(project=self.project, name="Graz")
        for number in range(6):
            patient = Patient.objects.create(project=self.project, centre=centre, name=str(number), split="test")
            image = ImageFactory(project=self.project)
            Image.objects.filter(pk=image.pk).update(patient=patient, split="test")
            self.images.append(image)
        entries = [{"image": image.pk, "patient": "", "sha256": ""} for image in self.images]
        locked = ReferenceSet.objects.create(project=self.project, number=1, images=entries, origin="consensus")
        for image in self.images:
            self.reference(image, locked)

    def reference(self, image, locked) -> None:
        loaded = []
        for number, box in enumerate(PLACES):
            label_class = self.a if number < 2 else self.b
            state = AnnotationState("cell", "confirmed", box, label_class=label_class.pk)
            loaded.append(Loaded(uuid.uuid4(), state))
        layer = load_layer(image=image, kind=Layer.Kind.CONSENSUS, loaded=loaded)
        Consensus.objects.create(
            image=image,
            layer=layer,
            parameters={},
            readings=[],
            made_by=self.owner,
            made_at=image.created_at,
            locked_in=locked,
        )

    def declare(self, **asked):
        asked = {"training": [self.images[0].pk], "least_cells": 8, "least_patients": 2, "least_share": 0.3} | asked
        return services.declare_curriculum(project=self.project, by=self.owner, **asked)

    def draw(self, field, labels):
        """Draw the cells of the reference on the sheet of a field, with classes of these names."""
        field = services.open_field(field_id=field.pk, person=self.student)
        image = field.sheet.images.get()
        layer = working_layer(image=image, user=self.student)
        classes = dict(field.sheet.classes.values_list("name", "pk"))
        acts = []
        for box, label in zip(PLACES, labels, strict=False):
            if label is not None:
                acts.append(operation(effect(uuid.uuid4(), cell(box, label_class=classes[label]))))
        _seq, verdicts = write_operations(layer=layer, author=self.student, operations=acts)
        assert {one.verdict for one in verdicts} == {"accepted"}
        return field

    def pass_through(self, kind, labels):
        attempt = services.begin_attempt(project=self.project, person=self.student, kind=kind)
        for field in attempt.fields.all():
            self.draw(field, labels)
            services.finish_field(field_id=field.pk, person=self.student)
        attempt.refresh_from_db()
        return attempt


@pytest.fixture
def school():
    return School()


def test_from_the_guideline_to_an_admission(school):
    school.declare()
    guideline = write_guideline(project=school.project, by=school.owner, text="Draw all.", must_acknowledge=True)
    with pytest.raises(NotAcknowledged):
        services.begin_attempt(project=school.project, person=school.student, kind="training")
    read_guideline(guideline=guideline, person=school.student, acknowledges=True)
    with pytest.raises(services.NotTrained):
        services.begin_attempt(project=school.project, person=school.student, kind="test")
    school.pass_through("training", ["a", "a", "b", "b"])
    test = school.pass_through("test", ["a", "a", "a", "b"])
    results = {one["name"]: one for one in test.results}
    assert (results["a"]["right"], results["a"]["judged"]) == (4, 6)  # two fields; a b called a counts against a too
    assert (results["b"]["right"], results["b"]["judged"]) == (2, 4)
    assert [one.label_class.name for one in admissions_of(school.project, school.student)] == []
    again = school.pass_through("test", ["a", "a", "b", "b"])
    seen = set(test.fields.values_list("image", flat=True))
    assert not seen & set(again.fields.values_list("image", flat=True))  # a retake has new fields
    assert {one.label_class.name for one in admissions_of(school.project, school.student)} == {"a", "b"}
    assert (test.number, again.number, again.guideline) == (1, 2, 1)
    with pytest.raises(services.TooFewFields, match="never seen"):
        services.begin_attempt(project=school.project, person=school.student, kind="test")


def test_a_training_field_answers_after_each_cell_and_a_test_field_never(school):
    school.declare()
    attempt = services.begin_attempt(project=school.project, person=school.student, kind="training")
    (field,) = attempt.fields.all()
    school.draw(field, ["a", "b"])
    shown = services.feedback(field_id=field.pk, person=school.student)
    assert [(one.verdict, one.expected) for one in shown] == [("right", "a"), ("other_class", "a")]
    services.finish_field(field_id=field.pk, person=school.student)
    shown = services.feedback(field_id=field.pk, person=school.student)
    assert [one.verdict for one in shown] == ["right", "other_class", "missed", "missed"]
    test = services.begin_attempt(project=school.project, person=school.student, kind="test")
    for finish in (False, True):
        field = test.fields.first()
        if finish:
            school.draw(field, ["a"])
            services.finish_field(field_id=field.pk, person=school.student)
        with pytest.raises(NotAllowed):
            services.feedback(field_id=field.pk, person=school.student)


def test_a_sheet_shows_nothing_of_the_reference_and_is_out_of_reach_once_it_is_finished(school):
    school.declare()
    attempt = services.begin_attempt(project=school.project, person=school.student, kind="training")
    field = school.draw(attempt.fields.get(), ["a"])
    assert Layer.objects.visible_to(school.student).filter(image__project=field.sheet).count() == 1
    client = APIClient()
    client.force_authenticate(school.student)
    address = reverse("image-workspace", args=[field.sheet.images.get().pk])
    assert client.get(address).status_code == 200
    page = signed_in(school.student)
    assert page.get(reverse("project", args=[field.sheet.pk])).status_code == 404  # it has no page of its own
    services.finish_field(field_id=field.pk, person=school.student)
    assert client.get(address).status_code == 404
    assert not Project.objects.visible_to(school.student).filter(is_sheet=True).exists()


def test_a_person_is_not_tested_on_what_they_have_read(school):
    school.declare(training=[])
    for image in school.images[:5]:
        consensus = Consensus.objects.get(image=image)
        consensus.disagreements.create(
            number=1,
            key="0" * 64,
            kind="missing",
            x0=0,
            y0=0,
            x1=4,
            y1=4,
            members=[None, None],
            decision="left",
            decided_by=school.student,
            decided_at=image.created_at,
        )
    with pytest.raises(services.TooFewFields, match="4 cells of 1 patients"):
        services.begin_attempt(project=school.project, person=school.student, kind="test")


def test_attempts_keep_the_version_that_they_began_with(school):
    school.declare()
    attempt = services.begin_attempt(project=school.project, person=school.student, kind="training")
    school.declare(least_cells=20)
    assert services.begin_attempt(project=school.project, person=school.student, kind="training") == attempt
    assert (attempt.curriculum.version, services.current_curriculum(school.project).version) == (1, 2)


def test_what_is_asked_is_checked(school):
    for wrong in ({"training": [0]}, {"least_cells": 0}, {"least_share": 1.0}, {"least_patients": 0}):
        with pytest.raises(Invalid):
            school.declare(**wrong)
    with pytest.raises(WrongState):
        services.declare_curriculum(project=ProjectFactory(), by=school.owner)


def test_the_interval_is_that_of_clopper_and_pearson():
    low, high = interval(160, 200)
    assert low == pytest.approx(beta.ppf(0.025, 160, 41))
    assert high == pytest.approx(beta.ppf(0.975, 161, 40))
    assert interval(0, 10)[0] == 0 and interval(10, 10)[1] == 1


def test_a_class_that_nobody_names_has_no_result():
    assert class_results(judge([], []), ["a"], 0.5) == []


def test_all_of_it_by_api(school):
    lead, client = APIClient(), APIClient()
    lead.force_authenticate(school.owner)
    client.force_authenticate(school.student)
    body = {"training": [school.images[0].pk], "least_cells": 4, "least_patients": 1}
    declared = lead.post(reverse("curriculum", args=[school.project.pk]), body, format="json")
    assert declared.status_code == 201, declared.json()
    attempts = reverse("attempt-list", args=[school.project.pk])
    begun = client.post(attempts, {"kind": "training"}, format="json").json()
    (field,) = begun["fields"]
    opened = client.post(reverse("attempt-field-open", args=[field["id"]])).json()
    assert opened["image"] is not None
    assert client.get(reverse("attempt-field-feedback", args=[field["id"]])).json() == {"cells": []}
    assert lead.post(reverse("attempt-field-open", args=[field["id"]])).status_code == 404  # somebody else's
    ended = client.post(reverse("attempt-field-finish", args=[field["id"]])).json()
    assert ended["finished_at"] is not None
    assert len(lead.get(attempts).json()["items"]) == 1


def test_the_pages_lead_through_a_training(school):
    lead, page = signed_in(school.owner), signed_in(school.student)
    address = reverse("learning", args=[school.project.pk])
    sent = {"declare": "1", "training": [school.images[0].pk], "least_cells": 4, "least_patients": 1}
    assert lead.post(address, sent | {"least_share": 0.5}).status_code == 302
    begun = page.post(address, {"kind": "training"})
    field = Attempt.objects.get().fields.get()
    assert begun["Location"] == reverse("learning-field", args=[field.pk])
    page.post(begun["Location"])
    assert b"learning-feedback" in page.get(begun["Location"]).content
    page.post(begun["Location"], {"finish": "1"})
    assert "missed" in page_text(page.get(begun["Location"]))
    assert "Training 1" in page_text(page.get(address)) or "training 1" in page_text(page.get(address))
    assert lead.get(begun["Location"]).status_code == 404


def test_somebody_who_takes_part_no_more_opens_no_field(school):
    school.declare()
    attempt = services.begin_attempt(project=school.project, person=school.student, kind="training")
    school.project.memberships.filter(user=school.student).delete()
    with pytest.raises((NotAllowed, Http404)):
        services.open_field(field_id=attempt.fields.get().pk, person=school.student)


def test_whoever_may_be_tested_sees_no_answer(school):
    image = school.images[0]
    reviewer = MembershipFactory(project=school.project, role=Role.REVIEWER).user

    def sees(user) -> bool:
        return Layer.objects.visible_to(user).filter(image=image, kind=Layer.Kind.CONSENSUS).exists()

    assert sees(school.student), "nobody is tested yet"
    school.declare()
    assert not sees(school.student)
    assert sees(school.owner) and sees(reviewer)


def test_the_page_leads_from_learn_to_the_guidelines_that_are_to_be_acknowledged(school):
    school.declare()
    write_guideline(project=school.project, by=school.owner, text="Draw.", must_acknowledge=True)
    page = signed_in(school.student)
    begun = page.post(reverse("learning", args=[school.project.pk]), {"kind": "training"})
    assert begun["Location"] == reverse("guidelines", args=[school.project.pk])


def test_a_control_of_somebody_is_no_field_of_their_test(school):
    """Nor is any image that they have met in another way: reviewed, judged, drawn on or read in a study."""
    first, second, third, fourth, fifth, sixth = school.images
    plan = ControlPlan.objects.create(project=school.project, owner=school.owner, declared_by=school.owner)
    copied = copy_privately(first, title="a", name="b.png")
    CheckField.objects.create(
        plan=plan, reader=school.student, kind="control", image=first, sheet=copied.sheet, after=1
    )
    declare_workflow(project=school.project, by=school.owner)
    ItemEvent.objects.create(item=second.work_item, act=Act.ACCEPT, by=school.student, state="done")
    ItemEvent.objects.create(item=third.work_item, act=Act.ASSIGN, by=school.student, state="to_do")
    layer = working_layer(image=fourth, user=school.student)
    write_operations(layer=layer, author=school.student, operations=[operation(effect(uuid.uuid4(), cell()))])
    lot = bare_lot(fifth, school.owner)
    LotCell.objects.create(lot=lot, position=9, image=fifth, shown={}, verdict="right", judged_by=school.student)
    known = services.images_known_to(school.student, school.project, "test")
    assert known == {first.pk, second.pk, fourth.pk, fifth.pk}
    school.declare(training=[], least_cells=8, least_patients=2)
    attempt = services.begin_attempt(project=school.project, person=school.student, kind="test")
    assert set(attempt.fields.values_list("image", flat=True)) == {third.pk, sixth.pk}
    assert services.images_known_to(school.owner, school.project, "test") == set()
    assert merging.TOOL == services.OF_MERGES, "whoever merges classes looks at no image"
