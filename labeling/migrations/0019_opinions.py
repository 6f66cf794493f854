import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# Who has decided each annotation, by the log (annotations/opinions.py, Deciders): of the operations that gave it the
# decision that it has now, the last one that was no undo or redo; where there is none, the last one.
DECIDERS = """
WITH decided AS (
    SELECT effect.annotation_id, effect.version, operation.author_id,
           operation.action IN ('undo', 'redo') AS restores,
           concat(effect.after->>'status', ' ', effect.after->>'derived_from') AS decision,
           lag(concat(effect.after->>'status', ' ', effect.after->>'derived_from'))
               OVER (PARTITION BY effect.annotation_id ORDER BY effect.version) AS earlier
    FROM labeling_effect AS effect JOIN labeling_operation AS operation ON operation.id = effect.operation_id
    WHERE effect.after IS NOT NULL
),
latest AS (
    SELECT DISTINCT ON (annotation_id) annotation_id, decision FROM decided ORDER BY annotation_id, version DESC
),
decider AS (
    SELECT DISTINCT ON (decided.annotation_id) decided.annotation_id, decided.author_id
    FROM decided JOIN latest USING (annotation_id, decision)
    WHERE decided.earlier IS DISTINCT FROM decided.decision
    ORDER BY decided.annotation_id, decided.restores, decided.version DESC
)
UPDATE labeling_annotation SET decided_by_id = decider.author_id
FROM decider WHERE decider.annotation_id = labeling_annotation.id
"""


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0018_study_safety"),
    ]

    operations = [
        migrations.AddField(
            model_name="annotation",
            name="decided_by",
            field=models.ForeignKey(
                help_text="who gave the cell its status; whoever moved it since has not decided it",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="annotation",
            name="disputed",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="an opinion differs from the status (annotations/opinions.py)",
            ),
        ),
        migrations.AlterField(
            model_name="operation",
            name="action",
            field=models.CharField(
                choices=[
                    ("draw", "draw"),
                    ("move", "move"),
                    ("resize", "resize"),
                    ("reshape", "reshape"),
                    ("classify", "classify"),
                    ("delete", "delete"),
                    ("accept", "accept"),
                    ("reject", "reject"),
                    ("edit", "edit"),
                    ("region", "region"),
                    ("cannot_tell", "cannot tell"),
                    ("undo", "undo"),
                    ("redo", "redo"),
                    ("bulk", "bulk"),
                    ("opinion", "opinion"),
                ],
                max_length=20,
            ),
        ),
        migrations.CreateModel(
            name="Opinion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "verdict",
                    models.CharField(
                        blank=True,
                        choices=[("accepted", "accepted"), ("rejected", "rejected"), ("unsure", "unsure")],
                        max_length=10,
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("", "no reason given"),
                            ("not_a_cell", "not a cell"),
                            ("boundary", "boundary wrong"),
                            ("duplicate", "duplicate"),
                            ("merged", "several cells merged"),
                            ("cannot_tell", "cannot tell"),
                        ],
                        max_length=20,
                    ),
                ),
                ("given_at", models.DateTimeField(help_text="when its author committed it, by the author's clock")),
                ("last_op", models.UUIDField()),
                (
                    "annotation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="opinions", to="labeling.annotation"
                    ),
                ),
                (
                    "author",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "label_class",
                    models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, to="labeling.labelclass"),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("annotation", "author"), name="opinion_once_a_person")],
            },
        ),
        migrations.CreateModel(
            name="OpinionEffect",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("before", models.JSONField(null=True)),
                ("after", models.JSONField(null=True)),
                (
                    "annotation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="opinion_effects",
                        to="labeling.annotation",
                    ),
                ),
                (
                    "operation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="opinion_effects",
                        to="labeling.operation",
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("operation", "annotation"), name="opinion_effect_once_per_operation"
                    )
                ],
            },
        ),
        migrations.RunSQL(DECIDERS, migrations.RunSQL.noop),
    ]
