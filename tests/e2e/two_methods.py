"""The demo's tissue in a project of its own, with reference masks that judge. Run inside the instance (manage)."""

from labeling.accounts.models import User
from labeling.exchange.demo import load_demo
from labeling.projects.models import Role


def make(user: User) -> dict[str, int]:
    """-> the project's id; `user` manages it."""
    owner = User.objects.create_user("owner-of-two-methods")
    project = load_demo(owner=owner, say=lambda sentence: None)
    project.name = "Two methods"
    project.save()
    project.memberships.create(user=user, role=Role.MANAGER)
    annotated = project.images.filter(split="train").order_by("position").first()
    return {"project": project.pk, "image": annotated.pk}
