"""Every table of the site, in the order of the work. The models live in their rooms; Django looks for them here."""

from labeling.accounts.models import SignInAttempt, SitePolicy, User
from labeling.annotations.models import ActivityBatch, ActivitySummary, Annotation, Effect, Layer, LayerHead, Operation
from labeling.images.models import Image, OriginalAccess
from labeling.jobs.models import Job
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
from labeling.studies.models import Amendment, Arm, Item, Look, Participant, Removal, Sitting, Study, StudyField

__all__ = [
    "ActivityBatch",
    "ActivitySummary",
    "Amendment",
    "Annotation",
    "Arm",
    "Artifact",
    "Delivery",
    "Effect",
    "Image",
    "Item",
    "Job",
    "LabelClass",
    "Layer",
    "LayerHead",
    "Look",
    "Membership",
    "ModelVersion",
    "Operation",
    "OriginalAccess",
    "Participant",
    "Portion",
    "Project",
    "Promotion",
    "Publication",
    "ReferenceSet",
    "Removal",
    "Round",
    "RoundPolicy",
    "SignInAttempt",
    "SitePolicy",
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
