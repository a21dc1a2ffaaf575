"""Settings of the stand-alone project; everything else is `environment.py`."""

import os
import secrets
from pathlib import Path

from vllm_batch.app_settings import (  # noqa: F401
    API_PATH,
    BATCH_STORAGE,
    CACHES,
    CHORES,
    COUNTERS,
    CURATION_EXPORTERS,
    ENGINES,
    FILE_UPLOAD_TEMP_DIR,
    GPU_TASK_SECONDS,
    MODEL_CATALOG,
    MODEL_LICENCES,
    MODEL_MEASURES,
    Q_CLUSTER,
    RATELIMIT_USE_CACHE,
    RESULT_HANDLERS,
    SPECTACULAR_SETTINGS,
    VLLM_BATCH,
    VLLM_BATCH_APPS,
    WORKER_STATUS,
)
from vllm_batch.database import database_settings
from vllm_batch.environment import BASE_DIR
from vllm_batch.lib.logs import logging_settings


def _kept_secret(folder: Path) -> str:
    """Return this installation's signing key, made at the first start."""
    path = folder / "secret_key"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text()
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(50))
    return path.read_text()


SECRET_KEY = VLLM_BATCH.SECRET_KEY or _kept_secret(VLLM_BATCH.DATA_DIR)
DEBUG = VLLM_BATCH.DEBUG
ALLOWED_HOSTS = VLLM_BATCH.ALLOWED_HOSTS
CSRF_TRUSTED_ORIGINS = VLLM_BATCH.CSRF_TRUSTED_ORIGINS

# With TLS in front: browsers never ask without, and cookies never travel so.
SECURE_SSL_REDIRECT = VLLM_BATCH.HTTPS
# What asks from inside, past the proxy.
SECURE_REDIRECT_EXEMPT = [r"^health", r"^metrics"]
SECURE_HSTS_SECONDS = VLLM_BATCH.HSTS_SECONDS if VLLM_BATCH.HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = VLLM_BATCH.HSTS_SCOPE != "host"
SECURE_HSTS_PRELOAD = VLLM_BATCH.HSTS_SCOPE == "preload"
if VLLM_BATCH.HSTS_SCOPE == "host":
    # Whether a whole domain is on TLS is its owner's word, not this server's.
    SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
elif VLLM_BATCH.HSTS_SCOPE == "subdomains":
    SILENCED_SYSTEM_CHECKS = ["security.W021"]
SESSION_COOKIE_SECURE = VLLM_BATCH.HTTPS
CSRF_COOKIE_SECURE = VLLM_BATCH.HTTPS
LOGIN_REDIRECT_URL = "admin:index"
SESSION_COOKIE_AGE = VLLM_BATCH.ADMIN_SESSION_SECONDS

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_prometheus",
    *VLLM_BATCH_APPS,
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "vllm_batch.lib.middleware.ApiMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "vllm_batch.lib.page_policy.PagePolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "vllm_batch.urls"
WSGI_APPLICATION = "vllm_batch.wsgi.application"
APPEND_SLASH = True

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

DATABASES = {"default": database_settings(VLLM_BATCH)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "batch": BATCH_STORAGE,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
STATIC_URL = "static/"
STATIC_ROOT = VLLM_BATCH.DATA_DIR / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
WHITENOISE_USE_FINDERS = True

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True

REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}

LOGGING = logging_settings(VLLM_BATCH.LOG_LEVEL, VLLM_BATCH.LOG_FORMAT)

UNFOLD = {
    "SITE_TITLE": "vLLM Batch",
    "SITE_HEADER": "vLLM Batch",
    "SITE_SYMBOL": "stacks",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    # The console's green, a shade darker than usual: white on it has to be readable.
    "COLORS": {
        "primary": {
            "50": "oklch(98.4% .014 180.72)",
            "100": "oklch(95.3% .051 180.801)",
            "200": "oklch(91% .096 180.426)",
            "300": "oklch(85.5% .138 181.071)",
            "400": "oklch(70.4% .14 182.503)",
            "500": "oklch(60% .118 184.704)",
            "600": "oklch(51.1% .096 186.391)",
            "700": "oklch(43.7% .078 188.216)",
            "800": "oklch(38.6% .063 188.416)",
            "900": "oklch(33% .054 190)",
            "950": "oklch(27.7% .046 192.524)",
        },
    },
    "SIDEBAR": {
        "show_all_applications": True,
        "navigation": "curation.review.navigation.sidebar",
    },
}
