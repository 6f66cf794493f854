"""Comments: threads pinned to a cell, a place or the whole image."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_noop

from labeling.annotations.blinding import keeps_apart
from labeling.annotations.models import Layer
from labeling.assignments.models import Reading
from labeling.assignments.states import TAKES_A_PLACE
from labeling.images.models import Image
from labeling.projects.models import MAY, Membership, Project

if TYPE_CHECKING:
    from labeling.accounts.models import User

MOST_CHARACTERS = 4000


class CommentQuerySet(models.QuerySet["Comment"]):
    def visible_to(self, user: "User") -> "CommentQuerySet":
        """The comments of the user's projects. Where annotators read apart, they see the threads that they began, and
        those that somebody who leads began about the image or about their own layer: nothing that tells what another
        reader has drawn or said. Until the blinded readings of an image are closed the same holds there for everybody,
        and who leads is heard only where they do not read the image themselves."""
        here = self.filter(image__project__in=Project.objects.visible_to(user), image__deleted_at__isnull=True)
        leads = Project.objects.filter(memberships__user=user, memberships__role__in=MAY["export"])
        shared = Q(image__project__layering=Project.Layering.SHARED)
        threads = _own_threads(user).values("pk")
        own = (Q(root__in=threads) | Q(pk__in=threads)) & (Q(author=user) | Exists(_leader()))
        apart = keeps_apart(user, "image")
        still_visible = own & (Q(author=user) | ~Exists(_reader()))
        seen = here.filter(shared | Q(image__project__in=leads.values("pk")) | own)
        return seen.filter(~apart | still_visible)


class Comment(models.Model):
    """One thing that somebody said. The first one of a thread has no `root`, and holds the pin.

    annotation  uid of the cell it is about. The comment outlives the cell: the place stays.
    x, y        image pixels; of a cell its middle when the comment was made
    """

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="comments")
    root = models.ForeignKey("self", on_delete=models.CASCADE, null=True, related_name="replies")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    text = models.TextField()
    layer = models.ForeignKey(Layer, on_delete=models.CASCADE, null=True, related_name="comments")
    annotation = models.UUIDField(null=True)
    x = models.FloatField(null=True)
    y = models.FloatField(null=True)
    made_at = models.DateTimeField(auto_now_add=True)
    resolved_at = models.DateTimeField(null=True, help_text="of a thread: since when it is resolved")
    resolved_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")

    objects = CommentQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(annotation__isnull=True) | Q(layer__isnull=False), name="comment_cell_has_a_layer"
            ),
            models.CheckConstraint(
                condition=Q(x__isnull=True, y__isnull=True) | Q(x__gte=0, y__gte=0), name="comment_place_in_image"
            ),
        ]
        indexes = [models.Index(fields=["image", "root"], name="comments_of_image")]

    def __str__(self) -> str:
        return f"comment {self.pk} on image {self.image_id}"


class Mention(models.Model):
    """That a comment names somebody by @name. `seen_at`: when they opened the thread."""

    comment = models.ForeignKey(Comment, on_delete=models.CASCADE, related_name="mentions")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="mentions")
    seen_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["comment", "person"], name="mentioned_once")]
        indexes = [models.Index(fields=["person"], condition=Q(seen_at__isnull=True), name="mentions_unseen")]

    def __str__(self) -> str:
        return f"{self.person_id} in comment {self.comment_id}"


class Consensus(models.Model):
    """What the closed readings of an image come to. It is made anew at any time; the readings stay as they are.

    layer     of kind consensus: the cells on which the readings agree, and those that somebody has decided on
    parameters  how it was made (reviews/consensus/making.py)
    readings  what it was made from: [{layer, seq}, ...], in the order of the votes
    """

    class Shapes(models.TextChoices):
        MAJORITY = "majority", gettext_noop("majority of pixels")
        STAPLE = "staple", gettext_noop("STAPLE")

    class Classes(models.TextChoices):
        MAJORITY = "majority", gettext_noop("majority")
        DAWID_SKENE = "dawid_skene", gettext_noop("Dawid and Skene")

    image = models.OneToOneField(Image, on_delete=models.CASCADE, related_name="consensus")
    layer = models.OneToOneField(Layer, on_delete=models.CASCADE, related_name="consensus")
    parameters = models.JSONField()
    readings = models.JSONField()
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    locked_in = models.ForeignKey(
        "labeling.ReferenceSet",
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        help_text="the reference set that holds it: it is not changed any more",
    )

    def __str__(self) -> str:
        return f"consensus of image {self.image_id}"


class Disagreement(models.Model):
    """A place where the readings of an image differ, and what somebody has decided there.

    key         hash of what the readings have here: a consensus that is made anew keeps the decisions of equal places
    x0..y1      image pixels, half-open: the box around all cells here
    members     of each reading, in the order of Consensus.readings: the uid of its cell, or null
    is_flipped  which of two readings stands on the left, drawn by chance
    """

    class Kind(models.TextChoices):
        MISSING = "missing", "cell or none"
        CLASS = "class", "class"
        OUTLINE = "outline", "outline"

    class Decision(models.TextChoices):
        OPEN = "", "open"
        LEFT = "left", "left"
        RIGHT = "right", "right"
        BOTH = "both", "both"
        NEITHER = "neither", "neither"
        EDITED = "edited", "edited"

    consensus = models.ForeignKey(Consensus, on_delete=models.CASCADE, related_name="disagreements")
    number = models.PositiveIntegerField(help_text="from 1, the worst first")
    key = models.CharField(max_length=64)
    kind = models.CharField(max_length=10, choices=Kind)
    x0, y0, x1, y1 = (models.FloatField() for _ in range(4))
    members = models.JSONField()
    is_flipped = models.BooleanField(default=False)
    decision = models.CharField(max_length=10, choices=Decision, blank=True, default=Decision.OPEN)
    cells = models.JSONField(default=list, help_text="uids on the consensus layer that came from the decision")
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["consensus", "number"], name="disagreement_numbered_once"),
            models.UniqueConstraint(fields=["consensus", "key"], name="disagreement_once"),
            models.CheckConstraint(
                condition=Q(decision="", decided_at__isnull=True) | (~Q(decision="") & Q(decided_at__isnull=False)),
                name="disagreement_decided_when",
            ),
        ]

    def __str__(self) -> str:
        return f"disagreement {self.number} of {self.consensus_id}"


def _own_threads(user: "User") -> models.QuerySet[Comment]:
    """Threads that `user` may read where annotators read apart."""
    about_mine = Q(layer__isnull=True) | Q(layer__annotator=user)
    threads = Comment.objects.filter(root__isnull=True)
    return threads.filter(Q(author=user) | (Exists(_leader()) & about_mine))


def _reader() -> models.QuerySet[Reading]:
    """The reading of a comment's author, of the image that it is about."""
    return Reading.objects.filter(item__image=OuterRef("image"), reader=OuterRef("author"), state__in=TAKES_A_PLACE)


def _leader() -> models.QuerySet[Membership]:
    """The membership of a comment's author, where they see everybody's work."""
    return Membership.objects.filter(
        project=OuterRef("image__project"), user=OuterRef("author"), role__in=MAY["export"]
    )
