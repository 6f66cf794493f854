import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0038_vectors"),
    ]

    operations = [
        migrations.AddField(
            model_name="operation",
            name="view",
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name="image",
            name="second_image",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="labeling.image",
            ),
        ),
        migrations.AddField(
            model_name="image",
            name="landmarks",
            field=models.JSONField(default=list),
        ),
    ]
