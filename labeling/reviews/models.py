"""Comments: threads pinned to a cell, a place or the whole image."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q

from labeling.annotations.models import Layer
from labeling.images.models import Image
from labeling.projects.models import MAY, Membership, Project

if TYPE_CHECKING:
    from labeling.accounts.models import User

MOST_CHARACTERS = 4000


class CommentQuerySet(models.QuerySet["Comment"]):
    def visible_to(self, user: "User") -> "CommentQuerySet":
        """The comments of the user's projects. Where annotators read apart, they see the threads that they began, and
        those that somebody who leads began about the image or about their own layer: nothing that tells what another
        reader has drawn or said."""
        here = self.filter(image__project__in=Project.objects.visible_to(user))
        leads = Project.objects.filter(memberships__user=user, memberships__role__in=MAY["export"])
        shared = Q(image__project__layering=Project.Layering.SHARED)
        threads = _own_threads(user).values("pk")
        own = (Q(root__in=threads) | Q(pk__in=threads)) & (Q(author=user) | Exists(_leader()))
        return here.filter(shared | Q(image__project__in=leads.values("pk")) | own)


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


def _own_threads(user: "User") -> models.QuerySet[Comment]:
    """Threads that `user` may read where annotators read apart."""
    about_mine = Q(layer__isnull=True) | Q(layer__annotator=user)
    threads = Comment.objects.filter(root__isnull=True)
    return threads.filter(Q(author=user) | (Exists(_leader()) & about_mine))


def _leader() -> models.QuerySet[Membership]:
    """The membership of a comment's author, where they see everybody's work."""
    return Membership.objects.filter(
        project=OuterRef("image__project"), user=OuterRef("author"), role__in=MAY["export"]
    )
