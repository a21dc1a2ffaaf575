"""A heartbeat belongs to a host and a slot, not to a slot alone.

It is worth nothing after seconds, so the old ones are dropped, not converted.
"""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('vllm_workers', '0002_paused_state'),
    ]

    operations = [
        migrations.DeleteModel(name='Heartbeat'),
        migrations.CreateModel(
            name='Heartbeat',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('host', models.CharField(max_length=255)),
                ('slot', models.CharField(max_length=128)),
                ('pid', models.PositiveIntegerField()),
                ('owner', models.CharField(max_length=128)),
                ('state', models.CharField(choices=[('idle', 'Idle'), ('loading', 'Loading'), ('running', 'Running'), ('paused', 'Paused'), ('draining', 'Draining')], default='idle', max_length=16)),
                ('reason', models.CharField(blank=True, default='', max_length=255)),
                ('model', models.CharField(blank=True, default='', max_length=255)),
                ('requests_in_flight', models.PositiveIntegerField(default=0)),
                ('requests_done', models.BigIntegerField(default=0)),
                ('beat_at', models.DateTimeField()),
                ('progress_at', models.DateTimeField()),
            ],
            options={
                'ordering': ['host', 'slot'],
                'constraints': [models.UniqueConstraint(fields=('host', 'slot'), name='vllm_workers_heart')],
            },
        ),
    ]
