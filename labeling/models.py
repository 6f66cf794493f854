"""Every table of the site, in the order of the work. The models live in their rooms; Django looks for them here."""

from labeling.accounts.models import User
from labeling.annotations.models import ActivityBatch, Annotation, Effect, Layer, LayerHead, Operation
from labeling.images.models import Image
from labeling.projects.models import LabelClass, Membership, Project
from labeling.rounds.models import (
    Artifact,
    ModelVersion,
    Promotion,
    Publication,
    Round,
    RoundPolicy,
    Snapshot,
    Stage,
    StageLine,
    Sweep,
)

__all__ = [
    "ActivityBatch",
    "Annotation",
    "Artifact",
    "Effect",
    "Image",
    "LabelClass",
    "Layer",
    "LayerHead",
    "Membership",
    "ModelVersion",
    "Operation",
    "Project",
    "Promotion",
    "Publication",
    "Round",
    "RoundPolicy",
    "Snapshot",
    "Stage",
    "StageLine",
    "Sweep",
    "User",
]
