"""How readers go through a study: consent, pseudonyms, clock times, breaks, practice, two sittings, single cells."""

import uuid
from datetime import date, timedelta
from importlib import import_module

import pandas as pd
import pytest
from django.apps import apps
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from labeling.annotations.active_time import Rules
from labeling.annotations.models import ActivityBatch, Layer
from labeling.annotations.services import Loaded, load_layer, working_layer, write_operations
from labeling.annotations.state import AnnotationState, PackedMask
from labeling.errors import Invalid, WrongState
from labeling.images.private_copies import copy_privately
from labeling.jobs.models import Job, JobItem
from labeling.projects.classes import change_class
from labeling.projects.models import LabelClass, Project, Role
from labeling.rounds.models import Publication
from labeling.studies import freezing, masks, remaining, reporting, services
from labeling.studies.analysis.fields import FIRST_SITTING, joined, read_fields
from labeling.studies.drafts import FieldChoice
from labeling.studies.instructions import steps_of, text_of
from labeling.studies.models import Item, Participant, Sitting, Study
from labeling.studies.outside import import_labelme
from labeling.studies.references import mark_of, reference_of, size_of
from labeling.studies.sheets import OfSheet, make_sheet
from labeling.studies.tables import tables_of
from labeling.studies.templates import TEMPLATES
from tests.factories import LabelClassFactory, MembershipFactory, UserFactory
from tests.labeling.operations import cell, effect, operation
from tests.labeling.pages import page_text, signed_in
from tests.labeling.studies import agreed, draft, frozen, ten_fields, work

pytestmark = pytest.mark.django_db
OWN_BOXES = [
    {"name": "polygon", "tools": ["polygon", "box"], "assistance": "none"},
    {"name": "boxes", "tools": ["box", "brush"], "second_tools": ["brush", "box"], "assistance": "own_boxes"},
]


@pytest.fixture
def project() -> Project:
    return ten_fields()


def small(project: Project, readers: int = 2, **changes) -> Study:
    """A frozen study of four measured fields."""
    arms = changes.pop("arms", OWN_BOXES)
    chosen = FieldChoice(measured=changes.pop("measured", 4))
    given = {
        "consent_text": "Your times are recorded.",
        "ethics_reference": "EK 12/2026",
        "retention_until": date(2036, 1, 1),
        "controller": "Institute of Pathology",
        "contact": "study@example.org",
        "hypothesis": "It saves time.",
        "washout_days": 0,
        "training_per_arm": 0,
        "seed": 7,
        "name": "Two ways",
    } | changes
    study = services.draft_study(project=project, by=project.owner, arms=arms, chosen=chosen, **given)
    for _ in range(readers):
        services.enrol(study=study, username=UserFactory().username)
    return services.freeze(study=study, by=project.owner)


def read(reader: Participant, seconds: float = 20.0) -> Item:
    """The reader's next item, done."""
    item = services.open_item(participant=reader, item_id=services.next_item(reader)[0].pk)
    work(item, seconds, str(uuid.uuid4()))
    return services.complete(participant=reader, item_id=item.pk)


def make_masks(boxes: Item, seconds: float = 3.0) -> None:
    """What the worker does with the job: one mask from each box, and a cell that it found by itself."""
    image = boxes.sheet.images.get()
    job = Job.objects.get(project=boxes.sheet, kind=Job.Kind.PROPOSE)
    JobItem.objects.filter(job=job).update(state=JobItem.State.DONE, facts={"seconds": seconds})
    Job.objects.filter(pk=job.pk).update(state=Job.State.DONE)
    drawn = Layer.objects.get(image=image, kind=Layer.Kind.WORKING, annotator=boxes.participant.user).annotations
    full = PackedMask(2, 4, 8, 6, b"\xff" * 6)
    loaded = [
        Loaded(uuid.uuid4(), AnnotationState("cell", "confirmed", (2, 4, 10, 10), mask=full, derived_from=row.uid), 0.2)
        for row in drawn.all()
    ]
    loaded.append(Loaded(uuid.uuid4(), AnnotationState("cell", "confirmed", (2, 4, 10, 10), mask=full), 0.9))
    layer = load_layer(image=image, kind=Layer.Kind.PREDICTION, loaded=loaded)
    Publication.objects.create(job=job, image=image, layer=layer, certificate={}, model_names={}, facts={})


# -- before the freezing


def test_the_checklist_says_what_is_missing_and_the_freezing_asks_for_the_same(project):
    study = draft(project, readers=1, contact="")
    missing = {check.name: check.missing for check in freezing.checks_of(study) if not check.is_done}
    assert list(missing) == ["What the study declares", "As many readers as the design needs"]
    assert "contact for readers" in missing["What the study declares"]
    page = signed_in(project.owner).get(reverse("study", args=[study.pk])).content.decode()
    assert "Before the freezing" in page and "contact for readers" in page
    study.contact = "study@example.org"
    study.save()
    services.enrol(study=study, username=UserFactory().username)
    assert all(check.is_done for check in freezing.checks_of(study))
    services.freeze(study=study, by=project.owner)


def test_a_copy_declares_the_same_with_another_name_and_no_readers(project):
    study = frozen(project)
    client = signed_in(project.owner)
    client.post(reverse("copy-study", args=[study.pk]))
    client.post(reverse("copy-study", args=[study.pk]))
    names = set(project.studies.values_list("name", flat=True))
    assert names == {"Boxes or proposals", "Boxes or proposals (copy)", "Boxes or proposals (copy 2)"}
    copy = project.studies.get(name="Boxes or proposals (copy)")
    assert copy.state == "draft" and copy.participants.count() == 0 and copy.protocol is None
    assert copy.contact == study.contact and copy.arms.count() == 2
    assert set(copy.fields.values_list("image", flat=True)) == set(study.fields.values_list("image", flat=True))


def test_the_usual_arm_by_hand_is_a_polygon_with_class(project):
    page = signed_in(project.owner).get(reverse("studies", args=[project.pk]))
    arms = [form.initial for form in page.context["arm_forms"]]
    assert arms[0]["name"] == "polygon with class" and arms[0]["tools"] == ["polygon"]
    assert not any(arm.get("accepts_many") for arm in arms)


def test_a_template_fills_the_form_of_the_papers_study(project):
    page = signed_in(project.owner).get(reverse("studies", args=[project.pk]), {"template": "boxcell-cells"})
    form = page.context["form"]
    assert form.initial["unit"] == "cells" and form.initial["gap_days"] == 1
    assert page.context["fields_form"].initial["measured"] == 50
    assert page.context["arm_forms"][1].initial["assistance"] == "own_boxes"


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_fills_everything_but_what_a_laboratory_alone_knows(project, name):
    """Posted as it stands, with a name and a seed, it is a draft of the same arms in which four facts are missing."""
    client = signed_in(project.owner)
    address = f"{reverse('studies', args=[project.pk])}?template={name}"
    context = client.get(address).context
    sent = {"name": "From a template", "seed": "7"}
    for form in (context["form"], context["fields_form"], *context["arm_forms"]):
        for field in form:
            value = field.value()
            if value not in (None, "", []) and field.html_name not in sent:
                sent[field.html_name] = value
    if name == "boxcell-cells":
        sent["measured"] = "20"  # the small fields of this test hold no 50 cells
    answer = client.post(address, sent)
    assert answer.status_code == 302, answer.context["form"].errors
    study = Study.objects.get(name="From a template")
    assert [arm.name for arm in study.arms.all()] == [arm["name"] for arm in TEMPLATES[name].arms]
    assert study.sitting_minutes and study.practice_quality and study.hypothesis and study.exclusion_rules
    empty = [field for field in freezing.NEEDED if not getattr(study, field)]
    assert sorted(empty) == ["contact", "controller", "ethics_reference", "retention_until"]
    arms = [check.missing for check in freezing.checks_of(study) if check.name == "Arms that run in this app"]
    assert arms == [""]


def test_points_prompt_masks_and_are_compared_by_these(project, django_capture_on_commit_callbacks):
    """A click is no outline, so an arm of points alone is declined, and one of two sittings is read like boxes."""
    alone = [{"name": "points", "tools": ["point"], "assistance": "none"}, OWN_BOXES[0]]
    with pytest.raises(Invalid, match="arm points has only points"):
        small(project, arms=alone, name="Points alone")
    study = small(project, arms=TEMPLATES["points"].arms)
    reader = study.participants.get(items__arm__position=2, items__position=1)
    services.consent(participant=reader)
    reader.refresh_from_db()
    item = services.open_item(participant=reader, item_id=services.next_item(reader)[0].pk)
    assert item.tools == ["point"] and [step.picture for step in steps_of(item)] == ["point"]
    assert "click once in the middle" in text_of(item)
    image = item.sheet.images.get()
    uid = uuid.uuid4()
    clicked = operation(effect(uid, cell((6.0, 7.0, 6.0, 7.0))), tool="point")
    _, verdicts = write_operations(
        layer=working_layer(image=image, user=reader.user), author=reader.user, operations=[clicked]
    )
    assert [verdict.verdict for verdict in verdicts] == ["accepted"]
    with django_capture_on_commit_callbacks(execute=True):
        services.complete(participant=reader, item_id=item.pk)
    make_masks(item)
    made = make_sheet(reader.items.get(field=item.field, part=Item.Part.VERIFY), masks.making_of(item).layer)
    shown = Layer.objects.get(image__project=made, kind=Layer.Kind.PREDICTION).annotations.get()
    assert (shown.x0, shown.y0, shown.x1, shown.y1) == (2, 4, 10, 10) and shown.mask_bits is not None


def test_pseudonyms_follow_no_order_of_enrolment(project):
    orders = set()
    study = draft(project, readers=4)
    for _ in range(12):
        freezing.draw_pseudonyms(study)
        orders.add(tuple(study.participants.order_by("pk").values_list("number", flat=True)))
    assert all(sorted(order) == [1, 2, 3, 4] for order in orders) and len(orders) > 1
    study = services.freeze(study=study, by=project.owner)
    page = page_text(signed_in(project.owner).get(reverse("study", args=[study.pk])))
    names = [reader.user.display_name for reader in study.participants.all()]
    readers = page[page.index("Readers") :] if "Readers" in page else page
    assert all(name in readers for name in names)
    for reader in study.participants.all():  # no line ties a name to a pseudonym
        assert f"{reader.pseudonym} {reader.user.display_name}" not in " ".join(page.split())


# -- consent


def test_a_reader_declines_and_nothing_is_recorded(project):
    study = frozen(project)
    reader = study.participants.get(number=1)
    client = signed_in(reader.user)
    page = client.get(reverse("participation", args=[reader.pk])).content.decode()
    assert "Institute of Pathology" in page and "study@example.org" in page and "I do not take part" in page
    client.post(reverse("participation", args=[reader.pk]), {"act": "decline"})
    reader.refresh_from_db()
    assert reader.has_declined and reader.removals.count() == 0
    assert "do not take part" in client.get(reverse("participation", args=[reader.pk])).content.decode()
    assert "Go to your fields" not in client.get(reverse("home")).content.decode()
    readers = tables_of(study)["readers"].set_index("participant")
    assert bool(readers.loc["P01", "declined"]) and not bool(readers.loc["P01", "withdrawn"])


def test_clock_times_and_reasons_are_given_out_by_consent_only(project):
    study = frozen(project)
    for number, shares in ((1, False), (2, True)):
        reader = study.participants.get(number=number)
        services.consent(participant=reader, shares_times=shares, profession="resident", experience="4")
        reader.refresh_from_db()
        done = [read(reader), read(reader)]
        services.exclude(item=done[1], reason=f"reader {number} was ill", by=project.owner)
    tables = tables_of(study)
    this_year = str(timezone.now().year)
    for name in ("items", "sittings", "batches", "operations"):
        text = tables[name].astype(str)
        own = text[text["item"].str.startswith("P01")].to_csv()
        other = text[text["item"].str.startswith("P02")].to_csv()
        assert f"{this_year}-" not in own and "1970-01-01" in own, name
        assert f"{this_year}-" in other, name
    walls = tables["batches"].groupby("participant")["wall_ms"].max()
    assert walls["P01"] < 86_400_000 < walls["P02"]
    published = str(reporting.published(study))
    assert "reader 1 was ill" not in published and "reader 2 was ill" in published
    assert "reader 1 was ill" in str(services.effective(study)["amendments"])  # the coordinator's page says it
    assert tables["readers"].loc[0, "experience_years"] == 4


def test_who_reads_sees_no_results_before_the_lock_although_they_own_the_project(project):
    study = draft(project, readers=3)
    services.enrol(study=study, username=project.owner.username)
    study = services.freeze(study=study, by=project.owner)
    with pytest.raises(WrongState, match="you read for this study"):
        services.open_interim_results(study=study, by=project.owner, reason="safety")
    other = MembershipFactory(project=project, role=Role.OWNER).user
    services.open_interim_results(study=study, by=other, reason="safety")
    page = signed_in(project.owner).get(reverse("study-report", args=[study.pk])).content.decode()
    assert "hidden until the study is locked" in page and "Look earlier" not in page


# -- reading


def test_the_readers_page_has_instructions_with_pictures_and_says_what_is_left(project):
    study = frozen(project)
    reader = agreed(study)
    client = signed_in(reader.user)
    page = client.get(reverse("participation", args=[reader.pk])).content.decode()
    assert "What to do" in page and "site/steps/box" in page
    assert "How long 10 fields take is not known yet." in " ".join(page.split())
    for _ in range(4):
        read(reader)
    for sitting in Sitting.objects.filter(item__participant=reader):
        Sitting.objects.filter(pk=sitting.pk).update(begun_at=sitting.ended_at - timedelta(minutes=3))
    left = remaining.left_of(reader)
    assert (left.done, left.total, left.left) == (4, 10, 6)
    assert (left.minutes, left.unknown) == (3, 5)  # one more of this arm at 3 min; of the other nothing is known
    services.lock(study=study)
    page = client.get(reverse("home")).content.decode()
    assert "Go to your fields" not in page and "Studies that you have finished or left" in page


def test_a_break_is_prescribed_after_the_longest_sitting(project):
    study = small(project, sitting_minutes=30, break_minutes=15)
    reader = agreed(study)
    read(reader)
    assert services.next_item(reader)[1] is None
    now = timezone.now()
    Sitting.objects.filter(item__participant=reader).update(begun_at=now - timedelta(minutes=31), ended_at=now)
    _item, opens = services.next_item(reader)
    assert opens == now + timedelta(minutes=15)
    with pytest.raises(services.OutOfOrder, match="opens on"):
        services.open_item(participant=reader, item_id=services.next_item(reader)[0].pk)
    earlier = now - timedelta(minutes=16)
    Sitting.objects.filter(item__participant=reader).update(ended_at=earlier)
    assert services.next_item(reader)[1] is None


def test_a_sitting_that_nobody_ended_is_no_work_until_the_reader_comes_back(project):
    """A reader closes the page in the evening without a word, and goes on in the morning: no break is due."""
    study = small(project, sitting_minutes=30, break_minutes=15)
    reader = agreed(study)
    first, _opens = services.next_item(reader)
    item = services.open_item(participant=reader, item_id=first.pk)
    work(item, 20.0)
    evening = timezone.now() - timedelta(hours=16)
    last_events = evening + timedelta(minutes=10)
    Sitting.objects.filter(item=item).update(begun_at=evening)
    ActivityBatch.objects.update(received_at=last_events)
    services.open_item(participant=reader, item_id=item.pk)
    lost = Sitting.objects.get(end="lost")
    assert remaining.stopped_at(lost) == last_events
    services.complete(participant=reader, item_id=item.pk)
    assert services.next_item(reader)[1] is None


def test_practice_ends_when_its_quality_is_reached(project):
    arms = [OWN_BOXES[0], {**OWN_BOXES[0], "name": "other"}]
    study = small(project, arms=arms, training_per_arm=2, practice_quality=0.5)
    reader = agreed(study)
    first = read(reader)
    assert first.training
    item, _opens = services.next_item(reader)
    assert not item.training
    states = list(reader.items.filter(period=0, training=True).order_by("position").values_list("state", flat=True))
    assert states == ["done", "skipped"]
    assert "skipped" in set(tables_of(study)["items"]["state"])


def test_own_boxes_come_back_as_masks_after_the_gap(project, django_capture_on_commit_callbacks):
    """And both sittings are one reading."""
    study = small(project, gap_days=1)
    assert study.protocol["mask_models"]["weights"].keys() == {"centre", "unet"}
    assert study.protocol["conduct"]["gap_days"] == 1
    reader = study.participants.get(items__arm__position=2, items__position=1)
    services.consent(participant=reader)
    reader.refresh_from_db()
    while (item := services.next_item(reader)[0]).part == Item.Part.BOXES:
        services.open_item(participant=reader, item_id=item.pk)
        item.refresh_from_db()
        work(item, 20.0)
        with django_capture_on_commit_callbacks(execute=True):
            services.complete(participant=reader, item_id=item.pk)
    boxes = list(reader.items.filter(part=Item.Part.BOXES).order_by("position"))
    assert all(Job.objects.filter(project=one.sheet, kind=Job.Kind.PROPOSE).exists() for one in boxes)
    _item, opens = services.next_item(reader)
    assert opens > timezone.now() + timedelta(hours=23)  # the gap
    reader.items.filter(part=Item.Part.BOXES).update(done_at=timezone.now() - timedelta(days=1, minutes=1))
    _item, opens = services.next_item(reader)
    assert opens is not None and opens < timezone.now() + timedelta(minutes=1)  # the machine
    for one in boxes:
        make_masks(one)
    item, opens = services.next_item(reader)
    assert opens is None and item.part == Item.Part.VERIFY
    item = services.open_item(participant=reader, item_id=item.pk)
    assert item.machine_s == 3.0 and item.tools == ["brush", "box"]
    shown = Layer.objects.get(image__project=item.sheet, kind=Layer.Kind.PREDICTION).annotations
    drawn = Layer.objects.get(image__project=boxes[0].sheet, kind=Layer.Kind.WORKING, annotator=reader.user).annotations
    assert shown.count() == drawn.count() > 0  # what the machine found by itself is not shown
    work(item, 10.0)
    services.complete(participant=reader, item_id=item.pk)
    fields = read_fields(joined(tables_of(study)), Rules(30.0, True))
    own = fields[fields["participant"] == reader.pseudonym].set_index("part")
    counted = own.loc["verify"]
    assert bool(counted["counts"]) and counted["active_s"] == pytest.approx(30.0, abs=0.5)
    assert counted["machine_s"] == 3.0
    assert set(own.loc[["boxes"], "why_not"]) == {FIRST_SITTING}
    services.withdraw(participant=reader)
    sheets = reader.items.filter(sheet__isnull=False).values("sheet")
    assert not Layer.objects.filter(image__project__in=sheets).exists()
    assert not Publication.objects.filter(image__project__in=sheets).exists()
    assert not reader.items.filter(machine_s__isnull=False).exists()


@pytest.mark.parametrize(("second", "holder"), [("done", "b"), ("planned", "a"), ("skipped", "a")])
def test_a_first_sitting_keeps_its_record_until_there_is_a_second(second, holder):
    """Else the time of practice boxes would be in no sum, where the practice of the second sitting was left out."""
    items = pd.DataFrame(
        {
            "item": ["a", "b"],
            "participant": "P01",
            "arm": "boxes",
            "field": 1,
            "part": ["boxes", "verify"],
            "state": ["done", second],
            "excluded": ["by the rules", ""],
        }
    )
    recorded = pd.DataFrame({"item": ["a"]})
    tables = joined({"items": items, "batches": recorded, "operations": recorded})
    assert list(tables["batches"]["item"]) == [holder]
    assert list(tables["operations"]["item"]) == [holder]
    reason = "by the rules" if holder == "b" else ""
    assert list(tables["items"]["excluded"]) == ["by the rules", reason]


def test_masks_that_could_not_be_made_are_told_and_made_again(project):
    study = small(project)
    reader = study.participants.get(items__arm__position=2, items__position=1)
    services.consent(participant=reader)
    reader.refresh_from_db()
    done = read(reader)  # inside a test nothing is committed, so nothing was asked for
    assert [item.pk for item in masks.unmade(study)] == [done.pk]
    page = signed_in(project.owner).get(reverse("study", args=[study.pk])).content.decode()
    assert f"The masks from the boxes of {reader.pseudonym}, place {done.position}, could not be made" in page
    signed_in(project.owner).post(reverse("study-act", args=[study.pk]), {"act": "masks"})
    assert masks.unmade(study) == [] and masks.making_of(done).layer is None


def test_a_sampled_cell_is_shown_alone_with_its_mark(project):
    arms = [OWN_BOXES[0], {"name": "proposals", "tools": ["brush"], "assistance": "proposals"}]
    study = small(project, arms=arms, unit="cells", measured=8)
    assert study.fields.count() == 8 and set(study.fields.values_list("reference_cells", flat=True)) == {1}
    reader = agreed(study)
    item = services.open_item(participant=reader, item_id=services.next_item(reader)[0].pk)
    image = item.sheet.images.get()
    assert (image.width, image.height) == size_of(item.field)
    x0, y0, x1, y1 = mark_of(item)
    rows, columns = reference_of(item.field).nonzero()
    assert x0 <= columns.min() and columns.max() < x1 and y0 <= rows.min() and rows.max() < y1
    answer = signed_in(reader.user).get(reverse("image-workspace", args=[image.pk])).json()
    assert answer["study"]["mark"] == [x0, y0, x1, y1]
    references = tables_of(study)["reference_cells"]
    assert set(references.groupby("field").size()) == {1}


def test_an_arm_read_elsewhere_is_not_compared_with_single_cells(project):
    """Its cells lie in pixels of the whole image, the references of such a study in those of what is shown."""
    by_hand = OWN_BOXES[0]
    arms = [by_hand, {**by_hand, "name": "other"}]
    study = small(project, arms=arms, unit="cells", measured=8)
    given = {
        "name": "LabelMe",
        "content": b"",
        "reason": "beside it",
    }
    with pytest.raises(Invalid, match="single cells"):
        import_labelme(study=study, by=project.owner, **given)


def test_next_cell_finishes_one_cell_and_opens_the_other(project):
    arms = [OWN_BOXES[0], {"name": "other", "tools": ["brush"], "assistance": "none"}]
    study = small(project, arms=arms, unit="cells", measured=8)
    reader = agreed(study)
    client = signed_in(reader.user)
    item = services.open_item(participant=reader, item_id=services.next_item(reader)[0].pk)
    assert "Next cell" in client.get(reverse("study-item", args=[item.pk])).content.decode()
    for _ in range(3):
        answer = client.post(reverse("stop-item", args=[item.pk]), {"act": "next-cell"})
        following = reader.items.get(state=Item.State.OPEN)
        assert answer.url == reverse("study-item", args=[following.pk]) and following.position == item.position + 1
        item = following
    answer = client.post(reverse("stop-item", args=[item.pk]), {"act": "next-cell"})
    assert answer.url == reverse("participation", args=[reader.pk])  # another arm: its instructions come first
    assert not reader.items.filter(state=Item.State.OPEN).exists()


def test_a_class_that_is_renamed_or_merged_between_two_sittings_is_the_same_class(project):
    cell, other, gone = [LabelClassFactory(project=project, name=name, position=20 + n) for n, name in enumerate("abc")]
    source = project.images.first()
    first = copy_privately(source, title="sheet", name="field 1.png").sheet.classes
    change_class(label_class=cell, name="renamed", color=cell.color)
    LabelClass.objects.filter(pk=gone.pk).update(merged_into=other, retired_at=timezone.now())
    second = copy_privately(source, title="sheet", name="field 1.png")
    class_on_sheet = OfSheet(project.pk, second)
    names = {one.pk: one.name for one in second.sheet.classes.all()}
    assert names[class_on_sheet(first.get(name="a"))] == "renamed"
    assert names[class_on_sheet(first.get(name="c"))] == "b"
    older = first.get(name="b")
    older.copied_from = None  # as a sheet of an earlier version has it
    assert names[class_on_sheet(older)] == "b" and class_on_sheet(None) is None


def test_the_way_back_keeps_no_study_whose_sittings_nothing_tells_apart(project):
    migration = import_module("labeling.migrations.0041_studies")
    small(project)
    one = frozen(ten_fields())
    assert Item.objects.filter(part=Item.Part.VERIFY).exists()
    with connection.schema_editor() as editor:
        migration.delete_what_the_version_before_cannot_keep(apps, editor)
    assert list(Study.objects.all()) == [one]
