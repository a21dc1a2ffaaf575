import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('vllm_accounts', '0001_initial'),
        ('vllm_batches', '0001_initial'),
        ('vllm_curation', '0005_artifact_tries'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Rerun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('model', models.CharField(max_length=255)),
                ('correction', models.JSONField()),
                ('lines_sha256', models.CharField(max_length=64)),
                ('line_count', models.PositiveIntegerField(default=0)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('batch', models.OneToOneField(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='rerun', to='vllm_batches.batchjob')),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('queue', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='reruns', to='vllm_curation.queue')),
            ],
            options={
                'ordering': ['-pk'],
                'indexes': [models.Index(fields=['queue', 'lines_sha256'], name='vllm_curation_same_lines')],
            },
        ),
    ]
