import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

ACTIONS = [
    ("decided", "decided as a lead"),
    ("correction_chosen", "chose a reviewer's correction"),
    ("sent_back", "sent a task back"),
    ("taken_out", "took a task out"),
    ("gold_set", "made gold"),
    ("gold_taken", "took the gold away"),
    ("split_locked", "locked to a split"),
    ("queue_made", "made a queue"),
    ("queue_changed", "changed a queue"),
    ("role_given", "gave a role"),
    ("role_changed", "changed a role"),
    ("role_taken", "took a role away"),
    ("imported", "brought answers in"),
    ("compared", "ran a file on models"),
    ("judged", "let a model judge"),
    ("corrected", "corrected prompts and ran them again"),
    ("gold_run", "ran a model on the gold set"),
    ("clustered", "looked for near-duplicates"),
    ("dataset_made", "made a dataset"),
    ("frozen", "froze a version"),
    ("exported", "exported a version"),
    ("downloaded", "downloaded"),
    ("copied_out", "copied tasks to Label Studio"),
    ("deleted", "deleted"),
]


class Migration(migrations.Migration):

    dependencies = [
        ("vllm_accounts", "0004_membership"),
        ("vllm_curation", "0007_gold_runs"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="AuditEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(db_index=True, default=django.utils.timezone.now, editable=False, verbose_name="when")),
                ("actor_name", models.CharField(max_length=150, verbose_name="who")),
                ("action", models.CharField(choices=ACTIONS, max_length=24)),
                ("object_type", models.CharField(max_length=40)),
                ("object_id", models.CharField(max_length=64)),
                ("object_name", models.CharField(max_length=160)),
                ("detail", models.CharField(blank=True, default="", max_length=300)),
                ("actor", models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL)),
                ("item", models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="audit_events", to="vllm_curation.item")),
                ("project", models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="vllm_accounts.project")),
            ],
            options={
                "verbose_name": "audit event",
                "ordering": ["-pk"],
                "indexes": [models.Index(fields=["project", "-id"], name="vllm_curation_audit_project")],
            },
        ),
    ]
