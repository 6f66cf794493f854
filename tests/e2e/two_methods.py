"""The demo's tissue in a project of its own, with reference masks that judge. Run inside the instance (manage)."""

from labeling.accounts.models import User
from labeling.annotations.models import Annotation
from labeling.exchange.demo import load_demo
from labeling.projects.models import Role


def make(user: User) -> dict[str, int]:
    """-> the project's id, and an image that nobody has annotated; `user` manages it."""
    owner = User.objects.create_user("owner-of-two-methods")
    project = load_demo(owner=owner, say=lambda sentence: None)
    project.name = "Two methods"
    project.save()
    project.memberships.create(user=user, role=Role.MANAGER)
    annotated = Annotation.objects.filter(layer__image__project=project).values("layer__image")
    bare = project.images.exclude(pk__in=annotated).order_by("position").first()
    assert bare is not None
    return {"project": project.pk, "image": bare.pk}
