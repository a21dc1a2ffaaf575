from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('vllm_batches', '0007_batch_request_id'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='batchjob',
            index=models.Index(condition=models.Q(('status', 'in_progress')), fields=['-priority', 'expires_at', '-created_at', '-id'], name='vllm_batches_next'),
        ),
        migrations.AddIndex(
            model_name='chunk',
            index=models.Index(condition=models.Q(('lease_owner', ''), _negated=True), fields=['lease_owner'], name='vllm_batches_held'),
        ),
    ]
