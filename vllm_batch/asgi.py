"""The ASGI application, for hosts that want one.

Downloads under ASGI are read into memory by Django: prefer WSGI (docs/adr/).
"""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vllm_batch.settings")

application = get_asgi_application()
