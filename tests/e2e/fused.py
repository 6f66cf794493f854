"""A project on real tissue as a round leaves it, made in seconds: the shipped prompter's masks as M_D, the dark
pixels as M_S, their exact fusion published as proposals. Run inside the instance (Running.manage).

The tissue is the demo's, in a project of its own, so that whoever works on the demo project finds it untouched."""

import hashlib
import io
import json
import uuid
from pathlib import Path

import numpy as np
import PIL.Image
from django.conf import settings

from inference import registry
from inference.documents.publication import Certificate
from inference.documents.stage_reports import ModelNames, PredictionFacts
from inference.fusion import Parameters, fuse
from inference.masks import cells_of, labels_of, pack
from inference.pipeline.units import bundle, save_unit
from inference.types import Prompts
from labeling.accounts.models import User
from labeling.annotations.models import Annotation
from labeling.annotations.services import Loaded, working_layer
from labeling.annotations.state import AnnotationState, PackedMask
from labeling.exchange.demo import load_demo
from labeling.projects.models import Project, Role
from labeling.rounds import artifacts
from labeling.rounds.models import Round, Snapshot, Stage
from labeling.rounds.results.publishing import publish
from tests.documents import NO_FACTS

FUSION = {"lam": 2.0, "theta": 25.0, "grid": 3, "components": 2}


def tissue(user: User) -> Project:
    """The demo's fields under another name and owner; `user` manages it."""
    owner = User.objects.create_user("owner-of-tissue")
    project = load_demo(owner=owner, say=lambda sentence: None)
    project.name = "Tissue with proposals"
    project.save()
    project.memberships.create(user=user, role=Role.MANAGER)
    return project


def make() -> str:
    """-> JSON: the image's id and the number of its proposals."""
    user = User.objects.get(is_superuser=True)
    project = tissue(user)
    image = max(project.images.filter(split="train"), key=lambda i: Annotation.objects.filter(layer__image=i).count())
    layer = working_layer(image=image, user=user)
    assert layer is not None
    rgb = np.asarray(PIL.Image.open(io.BytesIO(image.pixels.read())).convert("RGB"))
    height, width = rgb.shape[:2]
    rows = list(layer.annotations.filter(kind="cell", deleted=False))
    boxes = np.array([(r.x0, r.y0, r.x1, r.y1) for r in rows])
    prompter = registry.prompter("boxwise")
    m_d = labels_of(enumerate(prompter.decode(prompter.encode(rgb), Prompts(boxes)).masks, start=1), width, height)
    m_s = rgb[..., 0] < np.median(rgb[..., 0]) - 25

    class Work:
        work = Path(settings.DATA_DIR) / "work" / uuid.uuid4().hex

    save_unit(Work.work / "units", image.pk, {"m_d": m_d, "m_s": np.packbits(m_s, axis=None)})
    file = bundle(Work, "prediction.zip")  # type: ignore[arg-type]
    snapshot = Snapshot.objects.create(project=image.project, sha256="0" * 64, content="none", summary={})
    round_ = Round.objects.create(
        project=image.project, number=1, preset="tiny", configuration={"fusion": FUSION}, snapshot=snapshot,
        state=Round.State.PUBLISHED,
    )  # fmt: skip
    stage = Stage.objects.create(round=round_, position=1, kind="prediction", state=Stage.State.DONE)
    stage.artifact = artifacts.keep(
        key=uuid.uuid4().hex,
        kind="prediction",
        file=file,
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        facts=PredictionFacts(),
    )
    stage.save()
    fused = fuse(rgb, m_d > 0, m_s, Parameters(**FUSION))
    proposals = []
    for number, mask in cells_of(m_d * fused.mask):
        if mask.bits.sum() < 20:
            continue
        h, w = mask.bits.shape
        state = AnnotationState(
            kind="cell", status="confirmed", box=(mask.x, mask.y, mask.x + w, mask.y + h),
            mask=PackedMask(mask.x, mask.y, w, h, pack(mask.bits)), derived_from=rows[number - 1].uid,
        )  # fmt: skip
        proposals.append(Loaded(uuid.uuid4(), state, 0.3))
    publish(
        round_=round_, image=image, proposals=proposals, certificate=Certificate.stored(fused.certificate.as_dict()),
        model_names=ModelNames(detector="people's boxes", segmenter="dark pixels", prompter=prompter.name),
        facts=NO_FACTS,
    )  # fmt: skip
    return json.dumps({"image": image.pk, "proposals": len(proposals)})
