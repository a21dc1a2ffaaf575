"""The settings our apps need in any Django project.

`from vllm_batch.app_settings import *` brings them; see `examples/existing_project`.
"""

from pathlib import Path
from typing import Any

from vllm_batch.environment import Environment, read_environment

VLLM_BATCH: Environment = read_environment()

VLLM_BATCH_APPS = [
    "accounts",
    "files",
    "batches",
    "workers",
    "curation",
    "monitoring",
    "rest_framework",
    "drf_spectacular",
    "django_q",
    "django_htmx",
]

# Add to a template engine's DIRS, after the project's own.
VLLM_BATCH_TEMPLATES = Path(__file__).resolve().parent.parent / "templates"

# Where `vllm_batch.urls.api_urls` is mounted: errors below it are JSON.
API_PATH = "/v1"

# Who knows which models there are. A dotted path, because imports point up only.
MODEL_CATALOG = "workers.catalog.find_models"
# Who knows by what a model's requests are measured: length, pace, tokenizer.
MODEL_MEASURES = "workers.measures.find_measures"
# Who knows the models' licences: whether their outputs may train other models.
MODEL_LICENCES = "workers.catalog.find_licences"
# Who knows which workers there are, and what they do.
WORKER_STATUS = "workers.status.find_workers"

# Engine classes by the name a served model uses for them.
ENGINES = {
    "vllm": "workers.engines.vllm.VllmEngine",
    "openai_http": "workers.engines.openai_http.OpenAIHttpEngine",
    "ray": "workers.engines.ray.engine.RayEngine",
    "stub": "workers.engines.stub.StubEngine",
}

# Result handlers besides those that apps register in `result_handlers.py`.
RESULT_HANDLERS = ["batches.handlers.webhook.handler.WebhookHandler"]

# In which forms training data is exported; the manual is curation/exporters/base.py.
CURATION_EXPORTERS = [
    "curation.exporters.openai.OpenAISft",
    "curation.exporters.openai.OpenAIDpo",
    "curation.exporters.trl.TrlSft",
    "curation.exporters.trl.TrlDpo",
    "curation.exporters.trl.TrlKto",
    "curation.exporters.alpaca.Alpaca",
    "curation.exporters.sharegpt.ShareGpt",
    "curation.exporters.icl.IclJson",
    "curation.exporters.icl.IclYaml",
    "curation.exporters.hugging_face.HuggingFace",
    "curation.exporters.table.Csv",
]

# What the ops queue does once a minute, besides freeing storage.
CHORES = [
    "curation.review.actions.leases.sweep_leases",
    "accounts.limiting.counters.sweep_counters",
    "curation.datasets.artifacts.sweep_artifacts",
]

# Where rate limits are counted, by all web processes together. A project with CACHES
# of its own puts this into them under the name below.
COUNTERS: dict[str, Any] = {"BACKEND": "accounts.limiting.counters.DatabaseCounters"}
if VLLM_BATCH.CACHE_URL:
    COUNTERS = {
        "BACKEND": "accounts.limiting.counters.ValkeyCounters",
        "LOCATION": VLLM_BATCH.CACHE_URL,
    }
RATELIMIT_USE_CACHE = "counters"
CACHES: dict[str, Any] = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "counters": COUNTERS,
}

BATCH_STORAGE: dict[str, Any] = {
    "BACKEND": "files.storage.DurableFileSystemStorage",
    "OPTIONS": {"location": VLLM_BATCH.DATA_DIR / "batch"},
}
if VLLM_BATCH.has_object_store:
    BATCH_STORAGE = {
        "BACKEND": "files.stores.s3.ObjectStorage",
        "OPTIONS": {
            "bucket_name": VLLM_BATCH.AWS_STORAGE_BUCKET_NAME,
            "endpoint_url": VLLM_BATCH.AWS_S3_ENDPOINT_URL or None,
            "region_name": VLLM_BATCH.AWS_S3_REGION_NAME or None,
            "location": VLLM_BATCH.AWS_LOCATION,
            "addressing_style": VLLM_BATCH.AWS_S3_ADDRESSING_STYLE,
            "link_seconds": VLLM_BATCH.DOWNLOAD_LINK_SECONDS,
            "link_endpoint_url": VLLM_BATCH.DOWNLOAD_LINK_ENDPOINT_URL,
        },
    }

# On the storage's own disk, so that a finished upload is moved, not copied.
FILE_UPLOAD_TEMP_DIR = VLLM_BATCH.DATA_DIR / "batch" / "incoming"
FILE_UPLOAD_TEMP_DIR.mkdir(parents=True, exist_ok=True)

# The queue is a doorbell (evidence: reliability §2). `retry` starts at prefetch, so
# it exceeds (queue_limit + 2) × (timeout + 3). Clusters: `gpu` and `ops`.
# A GPU task hands over to the next one after `GPU_TASK_SECONDS`.
GPU_TASK_SECONDS = 3600
_GPU_TIMEOUT = (
    GPU_TASK_SECONDS + VLLM_BATCH.ENGINE_START_SECONDS + VLLM_BATCH.WORKER_DRAIN_SECONDS
)
_OPS_TIMEOUT = 600
Q_CLUSTER: dict[str, Any] = {
    "name": "vllm_batch",
    "orm": "default",
    "workers": 1,
    "queue_limit": 1,
    "bulk": 1,
    "poll": 0.2,
    "timeout": _OPS_TIMEOUT,
    "retry": 3 * (_OPS_TIMEOUT + 3) + 60,
    "max_attempts": 1,
    "ack_failures": True,
    "guard_cycle": 0.5,
    "recycle": 1_000_000,
    "save_limit": 50,
    "catch_up": False,
    "compress": False,
    "cached": False,
    "scheduler": False,
    "ALT_CLUSTERS": {
        "ops": {
            "workers": 2,
            "queue_limit": 2,
            "retry": 4 * (_OPS_TIMEOUT + 3) + 60,
        },
        "gpu": {
            "timeout": _GPU_TIMEOUT,
            "retry": 3 * (_GPU_TIMEOUT + 3) + 60,
            "daemonize_workers": False,
        },
    },
}

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "vLLM Batch",
    "DESCRIPTION": "The OpenAI Files and Batch APIs, self-hosted on vLLM.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/v1",
    "ENFORCE_NON_BLANK_FIELDS": True,
    "COMPONENT_SPLIT_REQUEST": True,
    # Enumerations stay where they are used: several are called `object`.
    "POSTPROCESSING_HOOKS": [],
}
