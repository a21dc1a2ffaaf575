from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("vllm_workers", "0005_served_model_details"),
    ]

    operations = [
        migrations.AddField(
            model_name="heartbeat",
            name="servers",
            field=models.JSONField(default=list, null=True),
        ),
    ]
