import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('vllm_curation', '0002_sources_and_judges'),
    ]

    operations = [
        migrations.AddField(
            model_name='externallink',
            name='conflict',
            field=models.CharField(blank=True, default='', help_text='What a person has to look at: two sides say different things.', max_length=255),
        ),
        migrations.CreateModel(
            name='LabelStudioProject',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('url', models.CharField(max_length=200)),
                ('config_hash', models.CharField(max_length=64)),
                ('remote_id', models.PositiveBigIntegerField(null=True)),
                ('settings_hash', models.CharField(blank=True, default='', max_length=64)),
                ('is_import_open', models.BooleanField(default=False)),
                ('cursor', models.DateTimeField(null=True)),
                ('next_cursor', models.DateTimeField(null=True)),
                ('passed_id', models.PositiveBigIntegerField(default=0)),
                ('pulled_at', models.DateTimeField(null=True)),
                ('pull_requested_at', models.DateTimeField(null=True)),
                ('last_error', models.CharField(blank=True, default='', max_length=500)),
                ('push_lease', models.CharField(blank=True, default='', max_length=32)),
                ('push_lease_expires_at', models.DateTimeField(null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('queue', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='label_studio_projects', to='vllm_curation.queue')),
            ],
            options={
                'verbose_name': 'Label Studio project',
                'ordering': ['pk'],
                'constraints': [models.UniqueConstraint(fields=('queue', 'url', 'config_hash'), name='vllm_curation_label_studio')],
            },
        ),
    ]
