"""Something valid of everything; a test names only what it is about."""

import io
import uuid
from typing import Any

import factory
import numpy as np
import PIL.Image

from labeling.accounts.models import User
from labeling.annotations.models import Annotation, Layer, LayerHead
from labeling.images.models import Image
from labeling.images.services import add_image
from labeling.projects.models import LabelClass, Membership, Project, Role


class UserFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = User

    username = factory.Sequence(lambda n: f"person{n}")


class ProjectFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Project

    name = factory.Sequence(lambda n: f"project {n}")
    records_activity = True
    deidentifies = False  # tests of what files say, and of originals, are the most; a real project begins with True


class LabelClassFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = LabelClass

    project = factory.SubFactory(ProjectFactory)
    name = factory.Sequence(lambda n: f"class {n}")
    color = "#0072b2"
    position = factory.Sequence(lambda n: n + 1)


class MembershipFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Membership

    project = factory.SubFactory(ProjectFactory)
    user = factory.SubFactory(UserFactory)
    role = Role.ANNOTATOR


def png(width: int = 64, height: int = 48, seed: int = 0) -> bytes:
    """A small image that no other seed makes."""
    rgb = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    file = io.BytesIO()
    PIL.Image.fromarray(rgb).save(file, "PNG")
    return file.getvalue()


class ImageFactory(factory.django.DjangoModelFactory):
    """Goes through the service, so that its pixels are really stored."""

    class Meta:
        model = Image

    project = factory.SubFactory(ProjectFactory)
    name = factory.Sequence(lambda n: f"field {n}.png")
    width, height = 64, 48
    seed = factory.Sequence(lambda n: n)

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **kwargs: Any) -> Image:
        width, height, seed = (kwargs.pop(name) for name in ("width", "height", "seed"))
        return add_image(content=png(width, height, seed), **kwargs)


class LayerFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Layer
        skip_postgeneration_save = True

    image = factory.SubFactory(ImageFactory)
    kind = Layer.Kind.WORKING

    @factory.post_generation
    def head(self, create: bool, extracted: Any, **kwargs: Any) -> None:
        LayerHead.objects.create(layer=self)  # type: ignore[misc]


class AnnotationFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Annotation

    layer = factory.SubFactory(LayerFactory)
    uid = factory.LazyFunction(uuid.uuid4)
    kind = Annotation.Kind.CELL
    status = Annotation.Status.CONFIRMED
    x0, y0, x1, y1 = 10, 10, 30, 24
