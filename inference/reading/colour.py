"""Colour profiles (ICC): from the colours that a scanner stored to those of a screen (sRGB).

For display alone. Models, fields and exports have the stored colours: what a model has learned must not hang on how
somebody looks at a slide.
"""

import io

import numpy as np
import PIL.Image
from PIL import ImageCms

from inference.types import RGB


class Profile:
    """A profile that can be applied, or not: `is_usable` says which."""

    def __init__(self, content: bytes) -> None:
        """content: the profile as the file has it; whatever is wrong with it makes it one that is not usable."""
        self.transform: ImageCms.ImageCmsTransform | None = None
        if not content:
            return
        try:
            own = ImageCms.ImageCmsProfile(io.BytesIO(content))
            screen = ImageCms.createProfile("sRGB")
            intent = ImageCms.Intent(ImageCms.getDefaultIntent(own))
            self.transform = ImageCms.buildTransform(own, screen, "RGB", "RGB", renderingIntent=intent)
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            return  # a profile of grey or CMYK, or no profile: colours are shown as they are stored

    @property
    def is_usable(self) -> bool:
        return self.transform is not None

    def applied(self, rgb: RGB) -> RGB:
        """(h, w, 3) uint8 as stored -> the same in sRGB; unchanged where the profile is not usable."""
        if self.transform is None:
            return rgb
        picture = PIL.Image.fromarray(rgb)
        return np.asarray(ImageCms.applyTransform(picture, self.transform))
