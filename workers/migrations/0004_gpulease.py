from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('vllm_workers', '0003_heartbeat_by_host'),
    ]

    operations = [
        migrations.CreateModel(
            name='GpuLease',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('host', models.CharField(max_length=255)),
                ('slot', models.CharField(max_length=128)),
                ('holder', models.CharField(help_text="The id of the slot's lock.", max_length=64)),
                ('expires_at', models.DateTimeField()),
            ],
            options={
                'verbose_name': 'GPU lease',
                'ordering': ['host', 'slot'],
                'constraints': [models.UniqueConstraint(fields=('host', 'slot'), name='vllm_workers_one_owner')],
            },
        ),
    ]
