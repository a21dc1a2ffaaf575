from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('vllm_curation', '0004_task_first_in_index'),
    ]

    operations = [
        migrations.AddField(
            model_name='artifact',
            name='attempts',
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='artifact',
            name='lease_expires_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='artifact',
            name='options',
            field=models.JSONField(default=dict),
        ),
    ]
