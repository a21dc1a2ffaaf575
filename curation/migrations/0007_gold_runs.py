import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('vllm_accounts', '0001_initial'),
        ('vllm_batches', '0001_initial'),
        ('vllm_curation', '0006_reruns'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='EvalRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('model', models.CharField(max_length=255)),
                ('threshold', models.FloatField(default=0.8, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(1)])),
                ('lines_sha256', models.CharField(max_length=64)),
                ('item_count', models.PositiveIntegerField(default=0)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('batch', models.OneToOneField(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='eval_run', to='vllm_batches.batchjob')),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('project', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='eval_runs', to='vllm_accounts.project')),
                ('queue', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='eval_runs', to='vllm_curation.queue')),
            ],
            options={
                'verbose_name': 'gold run',
                'ordering': ['-pk'],
            },
        ),
        migrations.CreateModel(
            name='EvalResult',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('is_exact', models.BooleanField(default=False)),
                ('is_valid', models.BooleanField(null=True)),
                ('similarity', models.FloatField(default=0)),
                ('is_regression', models.BooleanField(default=False)),
                ('error', models.CharField(blank=True, default='', max_length=200)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('candidate', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='vllm_curation.candidate')),
                ('decision', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='vllm_curation.decision')),
                ('item', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='vllm_curation.item')),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='results', to='vllm_curation.evalrun')),
            ],
            options={
                'verbose_name': 'gold result',
                'ordering': ['pk'],
                'constraints': [models.UniqueConstraint(fields=('run', 'item'), name='vllm_curation_one_result')],
            },
        ),
    ]
