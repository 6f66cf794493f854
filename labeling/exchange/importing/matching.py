"""Which image of the project an image of the file is."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from inference.formats.model import AnnotatedImage
from inference.formats.problems import stem_of
from labeling.errors import Invalid
from labeling.images.models import Image
from labeling.images.stems import stems_of
from labeling.projects.models import Project


@dataclass
class Images:
    """The images of a project, by what files call them: the user's name, the name without its ending, and the name that
    exports give."""

    by_name: dict[str, list[Image]] = field(default_factory=lambda: defaultdict(list))
    by_stem: dict[str, list[Image]] = field(default_factory=lambda: defaultdict(list))
    by_export: dict[str, Image] = field(default_factory=dict)

    @classmethod
    def of(cls, project: Project) -> "Images":
        found = cls()
        images = list(project.images.order_by("position"))
        stems = stems_of(images)
        for image in images:
            found.by_name[_folded(image.name)].append(image)
            found.by_stem[_folded(stem_of(image.name))].append(image)
            found.by_export[_folded(stems[image.pk])] = image
        return found

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Name, stem and name of export -> (width, height) px, for formats that do not say it."""
        sizes: dict[str, tuple[int, int]] = {}
        for image in self._each():
            size = (image.width, image.height)
            sizes[image.name] = size
            sizes.setdefault(stem_of(image.name), size)
        for stem, image in self.by_export.items():
            sizes.setdefault(stem, (image.width, image.height))
        return sizes

    def _each(self) -> Iterable[Image]:
        for images in self.by_name.values():
            yield from images

    def match(self, annotated: AnnotatedImage) -> Image:
        """The image of the project. Raises Invalid when there is none, more than one, or one of another size."""
        image = self._named(annotated)
        if annotated.size is not None and annotated.size != (image.width, image.height):
            words = _("{file} has {width} x {height} px there, and {image} has {own_width} x {own_height} px here")
            raise Invalid(
                words.format(
                    file=annotated.name,
                    width=annotated.width,
                    height=annotated.height,
                    image=image.name,
                    own_width=image.width,
                    own_height=image.height,
                )
            )
        return image

    def _named(self, annotated: AnnotatedImage) -> Image:
        name = _folded(annotated.facts.get("name") or annotated.name)
        stem = _folded(stem_of(annotated.name))
        exported = self.by_export.get(stem)
        for images in (self.by_name.get(name), [exported] if exported else None, self.by_stem.get(stem)):
            if images is not None and len(images) == 1:
                return images[0]
            if images:
                words = _("{file} fits {n} images of the same name; rename them")
                raise Invalid(words.format(file=annotated.name, n=len(images)))
        words = _("no image of this project is called {file}")
        raise Invalid(words.format(file=annotated.name))


def _folded(name: str) -> str:
    base = name.replace("\\", "/").rpartition("/")[2]
    return unicodedata.normalize("NFC", base).casefold()
