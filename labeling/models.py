"""Every table of the site, in the order of the work. The models live in their rooms; Django looks for them here."""

from labeling.accounts.models import User
from labeling.annotations.models import (
    ActivityBatch,
    Annotation,
    Effect,
    Layer,
    LayerHead,
    Operation,
    Opinion,
    OpinionEffect,
)
from labeling.images.models import Image
from labeling.projects.models import LabelClass, Membership, Project
from labeling.rounds.models import (
    Artifact,
    Delivery,
    ModelVersion,
    Portion,
    Promotion,
    Publication,
    ReferenceSet,
    Round,
    RoundPolicy,
    Snapshot,
    Stage,
    StageLine,
    Sweep,
    WeightsImport,
)
from labeling.studies.models import Amendment, Arm, Item, Participant, Sitting, Study, StudyField

__all__ = [
    "ActivityBatch",
    "Amendment",
    "Annotation",
    "Arm",
    "Artifact",
    "Delivery",
    "Effect",
    "Image",
    "Item",
    "LabelClass",
    "Layer",
    "LayerHead",
    "Membership",
    "ModelVersion",
    "Operation",
    "Opinion",
    "OpinionEffect",
    "Participant",
    "Portion",
    "Project",
    "Promotion",
    "Publication",
    "ReferenceSet",
    "Round",
    "RoundPolicy",
    "Sitting",
    "Snapshot",
    "Stage",
    "StageLine",
    "Study",
    "StudyField",
    "Sweep",
    "User",
    "WeightsImport",
]
