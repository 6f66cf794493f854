"""A perceptual hash for each image, so that the same picture in two splits is noticed."""

import logging

import PIL.Image
from django.db import migrations, models

from labeling.images.similar import picture_hash

logger = logging.getLogger(__name__)


def hash_the_pictures(apps, schema_editor):
    """From the thumbnails, which give nearly the hash of the image itself. One that is not there stays without."""
    images = apps.get_model("labeling", "Image").objects
    for image in images.filter(phash="").only("pk", "thumbnail").iterator(chunk_size=200):
        try:
            with image.thumbnail.open("rb") as file, PIL.Image.open(file) as picture:
                digest = picture_hash(picture)
        except (OSError, ValueError, SyntaxError) as error:
            logger.warning("image %s gets no perceptual hash: %s", image.pk, error)
            continue
        images.filter(pk=image.pk).update(phash=digest)


class Migration(migrations.Migration):
    dependencies = [("labeling", "0013_activity_summaries")]

    operations = [
        migrations.AddField(
            model_name="image",
            name="phash",
            field=models.CharField(
                blank=True,
                help_text="perceptual hash (images/similar.py); empty: a picture without contrast",
                default="",
                max_length=64,
            ),
            preserve_default=False,
        ),
        migrations.RunPython(hash_the_pictures, migrations.RunPython.noop),
    ]
