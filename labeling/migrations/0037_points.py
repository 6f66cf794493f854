"""A cell may be a point: its box has no extent."""

from django.db import migrations, models
from django.db.models import F, Q

from labeling.migrations._way_back import apps_of_one_state


def make_boxes_of_points(apps, schema_editor):
    """On the way back: a point becomes a box of one pixel around it, inside the image. The log keeps the point."""
    apps = apps_of_one_state(apps)
    points = apps.get_model("labeling", "Annotation").objects.filter(x0=F("x1"), y0=F("y1"))
    for row in points.select_related("layer__image").iterator(chunk_size=2000):
        image = row.layer.image
        row.x0 = min(max(row.x0 - 0.5, 0.0), image.width - 1.0)
        row.y0 = min(max(row.y0 - 0.5, 0.0), image.height - 1.0)
        row.x1, row.y1 = row.x0 + 1, row.y0 + 1
        row.save(update_fields=["x0", "y0", "x1", "y1"])
    schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # else the table could not be altered after this


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0036_second_factors"),
    ]

    # The way back runs from the last operation to the first: the points are boxes before the old constraint returns.
    operations = [
        migrations.RemoveConstraint(model_name="annotation", name="annotation_has_area"),
        migrations.RunPython(migrations.RunPython.noop, make_boxes_of_points),
        migrations.AddConstraint(
            model_name="annotation",
            constraint=models.CheckConstraint(
                condition=Q(("x0__lt", F("x1")), ("y0__lt", F("y1")))
                | Q(("kind", "cell"), ("mask_bits__isnull", True), ("x0", F("x1")), ("y0", F("y1"))),
                name="annotation_has_area_or_is_point",
            ),
        ),
    ]
