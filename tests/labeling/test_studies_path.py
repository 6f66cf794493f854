"""A study from its draft to its bundle: the order of items, who reaches what, freezing, withdrawal, recomputing."""

import io
import json
import uuid
import zipfile
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import PIL.Image
import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from labeling.annotations import activity
from labeling.annotations.services import Loaded, working_layer, write_operations
from labeling.annotations.state import PackedMask, State
from labeling.errors import Invalid, WrongState
from labeling.images.models import Image
from labeling.images.services import add_image
from labeling.projects.models import Role
from labeling.rounds.models import Publication, Round, Snapshot
from labeling.rounds.publishing import publish
from labeling.studies import bundle, command, design, reporting, services, words
from labeling.studies.analysis import report
from labeling.studies.models import Item, Study
from labeling.studies.sheets import flip
from labeling.studies.signing import public_key, signing_key
from labeling.studies.tables import tables_of
from tests.factories import LabelClassFactory, MembershipFactory, ProjectFactory, UserFactory, png
from tests.labeling.operations import cell, effect, mask, operation, region

pytestmark = pytest.mark.django_db
ARMS = [
    {"name": "boxes by hand", "tools": ["box", "brush"], "assistance": "none"},
    {"name": "proposals", "tools": ["box", "brush"], "assistance": "proposals"},
]


def labels(cells: int) -> np.ndarray:
    found = np.zeros((48, 64), np.int32)
    for k in range(cells):
        found[4 + 10 * (k // 5) : 10 + 10 * (k // 5), 2 + 12 * (k % 5) : 10 + 12 * (k % 5)] = k + 1
    return found


@pytest.fixture
def project():
    project = ProjectFactory(name="Breast")
    LabelClassFactory(project=project, name="nucleus", position=1)
    owner = MembershipFactory(project=project, role=Role.OWNER).user
    snapshot = Snapshot.objects.create(project=project, sha256="0" * 64, content="none", summary={})
    round_ = Round.objects.create(project=project, number=1, preset="tiny", configuration={}, snapshot=snapshot)
    for k in range(10):
        image = add_image(
            project=project,
            name=f"field {k}.png",
            content=png(seed=100 + k),
            group=f"patient {k}",
            split="test",
            reference=labels(4 + k),
        )
        proposal = Loaded(
            uuid.uuid4(), State("cell", "confirmed", (2, 4, 10, 10), mask=PackedMask(2, 4, 8, 6, b"\xff" * 6))
        )
        publish(round_=round_, image=image, proposals=[proposal], certificate={}, model_names={}, facts={})
    project.owner = owner
    return project


def draft(project, readers=4, **changes) -> Study:
    given = {
        "consent_text": "Your times are recorded.",
        "ethics_reference": "EK 12/2026",
        "retention_until": date(2036, 1, 1),
        "washout_days": 0,
        "training_per_arm": 1,
        "seed": 7,
    } | changes
    study = services.create_study(
        project=project,
        by=project.owner,
        name="Boxes or proposals",
        hypothesis="Proposals save time.",
        arms=ARMS,
        **given,
    )
    services.choose_fields(study=study)
    for _ in range(readers):
        services.enrol(study=study, username=UserFactory().username)
    return study


@pytest.fixture
def study(project):
    return services.freeze(study=draft(project), by=project.owner)


def agreed(study, number=1):
    participant = study.participants.get(number=number)
    services.consent(participant=participant)
    participant.refresh_from_db()
    return participant


def work(item: Item, seconds: float, session: str | None = None) -> None:
    """What the browser of a reader would send who draws a field in `seconds`, its last cell forgotten by some."""
    user, image = item.participant.user, item.sheet.images.get()
    session = session or str(uuid.uuid4())
    n = int(seconds // 10) + 2
    times = [float(t) for t in np.linspace(0, 1000 * seconds, n)]
    kinds = ["pointer_move"] * (n - 2) + ["pointer_down", "pointer_up"]
    events = [[t, kind] for t, kind in zip(times, kinds, strict=True)]
    uid = str(uuid.uuid4())
    events += [[times[-1], "target_committed", uid], [times[-1], "hidden"]]
    batch = {
        "session": session,
        "image": image.pk,
        "wall_ms": 1.7e12,
        "mono_ms": times[-1] + 10,
        "first": 0,
        "events": events,
    }
    assert activity.record(user=user, data=batch)
    cells = list(
        zip([uid, *(str(uuid.uuid4()) for _ in range(item.field.reference_cells - 1))], range(99), strict=False)
    )
    if (item.participant.number + item.position) % 3 == 0:
        cells.pop()
    acts = [
        operation(
            effect(u, cell((x := 2 + 12 * (k % 5), y := 4 + 10 * (k // 5), x + 8, y + 6), mask=mask(x, y, 8, 6))),
            session=session,
            begun_ms=times[-2],
            committed_ms=times[-1],
            activity=[n - 2, n],
        )
        for u, k in cells
    ]
    _, verdicts = write_operations(layer=working_layer(image=image, user=user), author=user, operations=acts)
    assert {verdict.verdict for verdict in verdicts} == {"accepted"}


def read_all(study, seconds) -> None:
    """Every reader reads everything: seconds(participant number, arm, n-th item) each."""
    for participant in study.participants.all():
        participant = agreed(study, participant.number)
        for k in range(100):
            item, _ = services.next_item(participant)
            if item is None:
                break
            item = services.open_item(participant=participant, item_id=item.pk)
            work(item, seconds(participant.number, item.arm.name, k))
            services.complete(participant=participant, item_id=item.pk)


# -- allocation


@pytest.mark.parametrize(
    ("kind", "arms", "readers"), [("crossover", 2, 8), ("williams", 3, 12), ("williams", 4, 8), ("parallel", 2, 6)]
)
def test_an_allocation_is_balanced_and_comes_again_from_its_seed(kind, arms, readers):
    names = tuple("ABCD"[:arms])
    fields = {f: ("sparse", "dense")[f % 2] for f in range(24)}
    plan = design.Plan(kind, names, readers, fields, training=tuple(range(100, 100 + 2 * arms)), repeats=2, seed=5)
    items = design.allocate(plan)
    assert items == design.allocate(plan)
    assert items != design.allocate(design.Plan(kind, names, readers, fields, plan.training, 2, seed=6))
    measured = [i for i in items if not i.training and not i.repeat]
    sequences = {i.reader: i.sequence for i in items}
    assert len({list(sequences.values()).count(s) for s in sequences.values()}) == 1
    for reader in range(readers):
        own = [i for i in measured if i.reader == reader]
        assert len({i.field for i in own}) == len(own)  # nobody sees a field in two arms
        assert [i.position for i in items if i.reader == reader] == list(
            range(1, len([i for i in items if i.reader == reader]) + 1)
        )
        repeated = [i for i in items if i.reader == reader and i.repeat]
        assert len(repeated) == 2 and {(i.field, i.arm) for i in repeated} <= {(i.field, i.arm) for i in own}
        assert max(i.position for i in own) < min(i.position for i in repeated)
        for period in {i.period for i in own}:  # practice first
            here = [i for i in items if i.reader == reader and i.period == period]
            assert [i.training for i in here] == sorted((i.training for i in here), reverse=True)
    if kind != "parallel":
        per_arm = [sorted(i.field for i in measured if i.arm == arm) for arm in names]
        assert all(len(set(one)) == 24 for one in per_arm)  # over the readers every field is read in every arm


def test_in_a_williams_square_every_arm_follows_every_other_equally_often():
    for k in (2, 3, 4, 5):
        rows = design.sequences("williams", k)
        follows = [pair for row in rows for pair in pairwise(row)]
        assert {follows.count((a, b)) for a in range(k) for b in range(k) if a != b} == {len(rows) // k}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"readers": 3}, "multiple of 2 readers"),
        ({"kind": "latin"}, "not 'latin'"),
        ({"arms": ("A",)}, "two arms"),
        ({"fields": {1: "", 2: "", 3: ""}}, "share equally"),
        ({"training": (1, 9)}, "must not be measured"),
        ({"repeats": 9}, "more repeated"),
        ({"arms": ("A", "B", "C"), "readers": 6}, "Williams"),
    ],
)
def test_what_cannot_be_balanced_is_refused(changes, says):
    given = {"kind": "crossover", "arms": ("A", "B"), "readers": 4, "fields": {1: "", 2: ""}, "seed": 1} | changes
    with pytest.raises(design.BadDesign, match=says):
        design.Plan(**given)


def test_sets_are_made_alike_by_what_the_study_declares(project):
    study = draft(project, readers=0, training_per_arm=0)
    for k, publication in enumerate(Publication.objects.order_by("image__name")):
        publication.layer.annotations.update(score=0.9 if k % 2 else 0.1)
        image = publication.image  # cells of field 0..4 are small
        image.reference.save("r.png", ContentFile(label_png(labels(4) if k < 5 else labels(4).repeat(2, 0)[:48])))
    found = {}
    for strata in services.Strata:
        services.choose_fields(study=study, strata=strata)
        found[strata] = {f.image.name: f.stratum for f in study.fields.select_related("image")}
    assert set(found["density"].values()) == {"sparse"}  # all have four cells: no half lies above the median
    assert {n for n, s in found["ambiguity"].items() if s == "doubtful"} <= {f"field {k}.png" for k in range(1, 10, 2)}
    assert {n for n, s in found["size"].items() if s == "large cells"} <= {f"field {k}.png" for k in range(5, 10)}
    assert len(set(found["size"].values())) == len(set(found["ambiguity"].values())) == 2
    Publication.objects.first().layer.annotations.update(score=None)
    with pytest.raises(Invalid, match="no proposals"):
        services.choose_fields(study=study, strata="ambiguity")


def label_png(found: np.ndarray) -> bytes:
    out = io.BytesIO()
    PIL.Image.fromarray(found.astype(np.uint16)).save(out, "PNG")
    return out.getvalue()


# -- freezing


@pytest.mark.parametrize("missing", ["consent_text", "ethics_reference", "retention_until"])
def test_nothing_is_frozen_without_consent_ethics_and_retention(project, missing):
    study = draft(project)
    setattr(study, missing, None if missing == "retention_until" else "")
    study.save()
    with pytest.raises(Invalid, match=missing.replace("_", " ")):
        services.freeze(study=study, by=project.owner)


def test_proposals_must_not_come_from_models_that_learned_from_a_study_patient(project):
    add_image(project=project, name="other.png", content=png(seed=9), group="patient 3", split="train")
    study = draft(project)
    with pytest.raises(Invalid, match=r"may have learned from other\.png"):
        services.freeze(study=study, by=project.owner)


def test_an_arm_that_the_app_cannot_run_is_refused(project):
    study = draft(project)
    study.arms.filter(position=1).update(tools=["point"])
    with pytest.raises(Invalid, match="needs point"):
        services.freeze(study=study, by=project.owner)


def test_a_frozen_protocol_has_the_hash_of_its_content_and_changes_only_visibly(study, project):
    assert study.protocol_sha256 == services.hash_of(study.protocol)
    assert len(study.protocol["allocation"]) == Item.objects.count() == 4 * 10
    with pytest.raises(WrongState, match="amendment"):
        services.enrol(study=study, username=UserFactory().username)
    with pytest.raises(Invalid, match="another study"):
        services.amend(study=study, change={"seed": 1}, reason="luck", by=project.owner)
    with pytest.raises(Invalid, match="reason"):
        services.amend(study=study, change={"idle_after_s": 60}, reason=" ", by=project.owner)
    services.amend(study=study, change={"idle_after_s": 60}, reason="readers look longer", by=project.owner)
    study.refresh_from_db()
    assert services.effective(study)["measurement"]["idle_after_s"] == 60
    assert study.protocol["measurement"]["idle_after_s"] == 30 and study.protocol_sha256 == services.hash_of(
        study.protocol
    )
    with pytest.raises(IntegrityError, match="study_runs_frozen"), transaction.atomic():
        Study.objects.filter(pk=study.pk).update(protocol_sha256="")


# -- the participant's path


def test_nobody_reads_before_consent_or_out_of_order_or_after_completion(study):
    participant = study.participants.get(number=1)
    first, second = participant.items.order_by("position")[:2]
    with pytest.raises(WrongState, match="consent"):
        services.open_item(participant=participant, item_id=first.pk)
    participant = agreed(study)
    with pytest.raises(services.OutOfOrder):
        services.open_item(participant=participant, item_id=second.pk)
    item = services.open_item(participant=participant, item_id=first.pk)
    with pytest.raises(services.OutOfOrder):
        services.complete(participant=participant, item_id=second.pk)
    services.complete(participant=participant, item_id=first.pk)
    for act in (services.complete, services.pause):
        with pytest.raises(services.OutOfOrder):
            act(participant=participant, item_id=first.pk)
    with pytest.raises(services.OutOfOrder):
        services.open_item(participant=participant, item_id=item.pk)


def test_only_the_open_sheet_is_within_reach_and_a_done_one_takes_no_more_work(study):
    participant = agreed(study)
    client = APIClient()
    client.force_authenticate(participant.user)
    item = services.open_item(participant=participant, item_id=services.next_item(participant)[0].pk)
    image = item.sheet.images.get()
    opened = client.get(reverse("image-workspace", args=[image.pk])).json()
    assert opened["study"] == {"tools": ["box", "brush"]} and (
        opened["image"]["previous"],
        opened["image"]["next"],
    ) == (None, None)
    assert (
        client.get(reverse("image-workspace", args=[item.field.image_id])).status_code == 404
    )  # the study's own image
    (layer,) = [one["id"] for one in opened["layers"] if one["writable"]]
    body = {"operations": [operation(effect(uuid.uuid4(), cell()))]}
    assert client.post(reverse("layer-operations", args=[layer]), body, format="json").status_code == 200
    services.complete(participant=participant, item_id=item.pk)
    body = {"operations": [operation(effect(uuid.uuid4(), cell()))]}
    assert client.post(reverse("layer-operations", args=[layer]), body, format="json").status_code == 404
    assert client.get(reverse("image-workspace", args=[image.pk])).status_code == 404


def test_work_with_a_tool_that_the_arm_does_not_have_is_refused_and_nothing_else_of_it_lost(study):
    participant = agreed(study)
    client = APIClient()
    client.force_authenticate(participant.user)
    item = services.open_item(participant=participant, item_id=services.next_item(participant)[0].pk)
    layer = working_layer(image=item.sheet.images.get(), user=participant.user)
    url = reverse("layer-operations", args=[layer.pk])
    cells = [uuid.uuid4() for _ in range(4)]
    first = operation(effect(cells[0], cell()))
    body = [
        first,
        operation(effect(cells[1], cell(mask=mask())), tool="smart"),
        operation(effect(cells[2], cell(mask=mask())), tool="keys"),  # nobody draws with no tool
        operation(effect(uuid.uuid4(), region()), action="region", tool="region"),
        operation(effect(cells[3], cell(mask=mask())), tool="brush"),
        operation(effect(cells[0], cell((12, 10, 32, 24)), first["op_id"]), action="move", tool="select"),
    ]
    body.append(operation(effect(cells[0], None, body[-1]["op_id"]), action="undo", tool="keys"))
    answer = client.post(url, {"operations": body}, format="json")
    verdicts = answer.json()["results"]
    assert [v["verdict"] for v in verdicts] == ["accepted", *["invalid"] * 3, *["accepted"] * 3]
    assert verdicts[1]["error"]["detail"] == "the tool smart is not one of this study's here: box, brush"
    assert answer.status_code == 422 and verdicts[1]["error"]["field"] == "tool"
    assert {a.uid: a.deleted for a in layer.annotations.all()} == {cells[0]: True, cells[3]: False}
    # elsewhere every tool is at hand
    member = MembershipFactory(project=study.project, role=Role.ANNOTATOR).user
    _, (verdict,) = write_operations(
        layer=working_layer(image=item.field.image, user=member),
        author=member,
        operations=[operation(effect(uuid.uuid4(), cell(mask=mask())), tool="smart")],
    )
    assert verdict.verdict == "accepted"


def test_keep_mine_is_said_again_in_an_arm_and_draws_nothing(study):
    participant = agreed(study)
    item = services.open_item(participant=participant, item_id=services.next_item(participant)[0].pk)
    layer = working_layer(image=item.sheet.images.get(), user=participant.user)
    there = uuid.uuid4()
    drawn = operation(effect(there, cell()))
    mine = operation(effect(there, cell(mask=mask()), drawn["op_id"]), action="reshape", tool="conflict")
    made = [operation(effect(uuid.uuid4(), cell()), action=action, tool="conflict") for action in ("draw", "edit")]
    again = operation(effect(there, cell(), mine["op_id"]), tool="conflict")
    _, verdicts = write_operations(layer=layer, author=participant.user, operations=[drawn, mine, *made, again])
    assert [v.verdict for v in verdicts] == ["accepted", "accepted", "invalid", "invalid", "invalid"]
    assert layer.annotations.get().uid == there


def test_an_arm_with_proposals_shows_them_without_their_models_and_the_other_shows_none(study):
    seen = {}
    participant = agreed(study)
    client = APIClient()
    client.force_authenticate(participant.user)
    while (item := services.next_item(participant)[0]) is not None:
        item = services.open_item(participant=participant, item_id=item.pk)
        opened = client.get(reverse("image-workspace", args=[item.sheet.images.get().pk])).json()
        proposals = [one for one in opened["layers"] if one["kind"] == "prediction"]
        seen.setdefault(item.arm.name, set()).add((len(proposals), str([p["publication"] for p in proposals])))
        assert item.sheet.name == f"{study.name}: field {item.position}"  # nothing of the arm
        services.complete(participant=participant, item_id=item.pk)
    assert seen == {"boxes by hand": {(0, "[]")}, "proposals": {(1, "[None]")}}


def test_a_pause_ends_a_sitting_and_a_crash_is_said_to_be_one(study):
    participant = agreed(study)
    item = services.next_item(participant)[0]
    services.open_item(participant=participant, item_id=item.pk)
    services.pause(participant=participant, item_id=item.pk)
    services.open_item(participant=participant, item_id=item.pk)  # resumes
    services.open_item(participant=participant, item_id=item.pk)  # resumes after a crash
    services.complete(participant=participant, item_id=item.pk)
    assert list(item.sittings.values_list("end", flat=True)) == ["pause", "lost", "done"]


def test_the_washout_locks_the_second_period(project):
    study = services.freeze(study=draft(project, washout_days=14), by=project.owner)
    participant = agreed(study)
    while (item := services.next_item(participant)[0]).period == 0:
        services.open_item(participant=participant, item_id=item.pk)
        services.complete(participant=participant, item_id=item.pk)
    item, available = services.next_item(participant)
    assert timedelta(days=13) < available - timezone.now() <= timedelta(days=14)
    with pytest.raises(services.OutOfOrder, match="washout"):
        services.open_item(participant=participant, item_id=item.pk)
    participant.items.filter(period=0).update(done_at=timezone.now() - timedelta(days=14))
    services.open_item(participant=participant, item_id=item.pk)


def test_a_second_reading_waits_four_weeks_and_is_flipped(project):
    study = services.freeze(study=draft(project, repeats=1), by=project.owner)
    participant = agreed(study)
    while not (item := services.next_item(participant)[0]).repeat:
        services.open_item(participant=participant, item_id=item.pk)
        services.complete(participant=participant, item_id=item.pk)
    with pytest.raises(services.OutOfOrder):
        services.open_item(participant=participant, item_id=item.pk)
    participant.items.filter(field=item.field, repeat=False).update(done_at=timezone.now() - timedelta(days=28))
    item = services.open_item(participant=participant, item_id=item.pk)
    again, first = (pixels_of(image) for image in (item.sheet.images.get(), item.field.image))
    assert (again == first[:, ::-1]).all()


def pixels_of(image: Image) -> np.ndarray:
    with image.pixels.open("rb") as file:
        return np.asarray(PIL.Image.open(file))


def test_a_cell_in_a_mirror():
    state = State("cell", "confirmed", (2.5, 4, 10, 10), mask=PackedMask(3, 4, 3, 2, bytes([0b10011000])))  # X.. / XX.
    there = flip(state, 64)
    assert there.box == (54, 4, 61.5, 10)
    assert there.mask == PackedMask(58, 4, 3, 2, bytes([0b00101100]))  # ..X / .XX
    assert flip(there, 64) == state


# -- report and bundle


SECONDS = {"boxes by hand": 60.0, "proposals": 30.0}


def test_the_report_finds_what_was_put_in_and_the_bundle_recomputes_it(study, tmp_path, capsys):
    read_all(study, lambda reader, arm, k: SECONDS[arm] * (1 + 0.05 * reader) * (1 + 0.01 * (k * reader % 3)))
    tables = tables_of(study)
    protocol = services.effective(study)
    numbers = report.compute(tables, protocol)
    assert numbers["flow"] | {"by_arm": None} == {
        "readers": 4,
        "readers_withdrawn": 0,
        "allocated": 32,
        "opened": 32,
        "completed": 32,
        "analysed": 32,
        "excluded": {},
        "by_arm": None,
    }
    (contrast,) = numbers["contrasts"]
    assert "ratio" in contrast["time"], contrast
    assert contrast["arm"] == "proposals" and contrast["time"]["ratio"] == pytest.approx(0.5, abs=0.02)
    assert contrast["time"]["reduction_low"] < contrast["time"]["reduction"] < contrast["time"]["reduction_high"]
    assert contrast["quality"]["passed"] is True and contrast["time"]["p"] < 0.01
    assert numbers["checks"] and all(c["gaps"] == 0 for c in numbers["checks"])
    assert not set(json.dumps(numbers)) & {"\x00"} and study.participants.first().user.username not in json.dumps(
        numbers
    )

    path = write(study, tmp_path)
    key = public_key(signing_key(settings.SECRET_KEY))
    found = bundle.recompute(path, key)
    assert found.differences == [] and found.numbers == numbers
    assert command.main(["recompute", str(path), "--key", key]) == 0
    assert "identical" in capsys.readouterr().out
    names = zipfile.ZipFile(path).namelist()
    assert {f"tables/{t}.{kind}" for t in bundle.DICTIONARY for kind in ("csv", "parquet")} <= set(names)
    for user in (p.user.username for p in study.participants.all()):
        assert not any(user.encode() in zipfile.ZipFile(path).read(name) for name in names)


def write(study, tmp_path):
    path = tmp_path / "bundle.zip"
    path.write_bytes(
        bundle.write(
            tables=tables_of(study),
            protocol=services.effective(study),
            frozen=study.protocol,
            frozen_sha256=study.protocol_sha256,
            amendments=[],
            removed=[],
            key=signing_key(settings.SECRET_KEY),
        )
    )
    return path


def test_a_bundle_that_somebody_changed_is_refused(study, tmp_path, capsys):
    path = write(study, tmp_path)
    changed = tmp_path / "changed.zip"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"P01", b"P02") if name == "tables/items.csv" else old.read(name))
    with pytest.raises(bundle.BadBundle, match=r"tables/items\.csv is not as it was signed"):
        bundle.recompute(changed)
    other = public_key(signing_key("another server's secret"))
    with pytest.raises(bundle.BadBundle, match="another server"):
        bundle.recompute(path, other)
    assert command.main(["recompute", str(changed)]) == 2 and "not as it was signed" in capsys.readouterr().err


def test_time_is_not_tested_where_quality_is_unknown(study):
    read_all(study, lambda reader, arm, k: SECONDS[arm] + reader)
    tables = tables_of(study)
    tables["cells"] = tables["cells"].iloc[:0]
    (contrast,) = report.compute(tables, services.effective(study))["contrasts"]
    assert (
        "not_computed" in contrast["quality"]
        and contrast["time"]["p"] is None
        and "not tested" in contrast["time"]["not_tested"]
    )
    assert contrast["time"]["ratio"] is not None


def test_who_withdraws_before_lock_leaves_no_raw_data_and_after_it_what_the_consent_says(study):
    read_all(study, lambda reader, arm, k: SECONDS[arm] + reader)
    services.withdraw(participant=study.participants.get(number=2), reason="no time")
    tables = tables_of(study)
    assert "P02" not in set(tables["events"].merge(tables["batches"], on="session")["participant"])
    assert (
        not tables["operations"]["participant"].eq("P02").any()
        and not tables["cells"]["item"].str.startswith("P02").any()
    )
    numbers = report.compute(tables, services.effective(study))
    assert numbers["flow"]["excluded"] == {"participant withdrew": 8} and numbers["flow"]["readers_withdrawn"] == 1
    services.lock(study=study)
    study.refresh_from_db()
    study.withdrawal_after_lock = "keep"
    study.save()
    services.withdraw(participant=study.participants.get(number=3))
    assert tables_of(study)["operations"]["participant"].eq("P03").any()


def test_withdrawal_after_lock_removes_and_says_what_can_no_longer_be_recomputed(study, tmp_path):
    read_all(study, lambda reader, arm, k: SECONDS[arm] + reader)
    services.lock(study=study)
    study.refresh_from_db()
    before = reporting.numbers_of(study)
    assert study.withdrawal_after_lock == "remove" and reporting.not_recomputable(study) == []
    participant = study.participants.get(number=3)
    services.withdraw(participant=participant, reason="moved")
    tables = tables_of(study)
    for name in ("batches", "operations", "cells", "sittings"):
        assert not tables[name]["item"].str.startswith("P03").any(), name
    assert set(tables["events"]["session"]) == set(tables["batches"]["session"])
    after = reporting.numbers_of(study)  # analysed again, without the reader
    assert before["flow"]["analysed"] == 32 and after["flow"]["analysed"] == 24
    assert {r["participant"] for r in after["readers"]} == {"P01", "P02", "P04"}
    path = tmp_path / "bundle.zip"
    path.write_bytes(reporting.bundled(study))
    (gone,) = json.loads(zipfile.ZipFile(path).read("about.json"))["not_recomputable"]
    assert gone.startswith("every number of a report made before P03 withdrew on ")
    assert bundle.recompute(path).differences == []
    client = Client()
    client.force_login(study.created_by)
    assert gone in client.get(reverse("study-report", args=[study.pk])).content.decode()


def test_a_batch_that_comes_twice_or_longer_is_stored_once(study):
    participant = agreed(study)
    item = services.open_item(participant=participant, item_id=services.next_item(participant)[0].pk)
    image, session = item.sheet.images.get(), str(uuid.uuid4())
    given = {"session": session, "image": image.pk, "wall_ms": 1.7e12, "mono_ms": 9000.0, "first": 0}
    events = [[1000.0, "key", "other"], [2000.0, "key", "other"]]
    assert activity.record(user=participant.user, data=given | {"events": events})
    assert not activity.record(user=participant.user, data=given | {"events": events})
    longer = [*events, [3000.0, "stall_end", {"again": 2}]]
    assert activity.record(user=participant.user, data=given | {"events": longer})
    tables = tables_of(study)
    assert tables["events"]["n"].tolist() == [0, 1, 2]
    numbers = report.compute(tables, services.effective(study))
    (found,) = numbers["checks"]
    assert (found["duplicates"], found["gaps"], found["resent"]) == (0, 0, 2)
    assert "2 batches were sent more than once" in words.results(numbers)[-1]
    assert [row["idle_after_s"] for row in numbers["sensitivity"]] == [10, 30, 60, 100, 300]


def test_an_exclusion_has_a_reason_and_shows_in_the_flow(study, project):
    read_all(study, lambda reader, arm, k: SECONDS[arm] + reader)
    item = Item.objects.filter(training=False).first()
    services.exclude(item=item, reason="fire alarm", by=project.owner)
    numbers = report.compute(tables_of(study), services.effective(study))
    assert numbers["flow"]["excluded"] == {"excluded: fire alarm": 1} and study.amendments.count() == 1


def test_an_image_of_a_sheet_belongs_to_the_study_alone(study):
    participant = agreed(study)
    item = services.open_item(participant=participant, item_id=services.next_item(participant)[0].pk)
    assert not Image.objects.visible_to(study.created_by).filter(project=item.sheet).exists()
