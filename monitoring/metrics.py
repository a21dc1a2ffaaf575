"""`/metrics`: what the server's processes counted, and what the database knows.

Open to METRICS_ALLOWED, and to who sends METRICS_TOKEN. A request that came through a
proxy has the proxy's address, so it needs the token whatever that address is.
"""

import hmac
import os
from ipaddress import ip_address, ip_network

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from monitoring.state import StateCollector
from vllm_batch.lib.conf import conf
from vllm_batch.lib.metric_files import FOLDER
from vllm_batch.lib.metrics import text_of

_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-Ip")
_REFUSED = (
    "Metrics are for METRICS_ALLOWED, or with METRICS_TOKEN as a bearer token"
    " (docs/how-to/monitor.md).\n"
)
_state = StateCollector()


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer in Prometheus' own form, or with 403."""
    if not _may_read(request):
        return HttpResponse(_REFUSED, status=403, content_type="text/plain")
    return HttpResponse(_text(), content_type=CONTENT_TYPE_LATEST)


def _text() -> bytes:
    if folder := os.environ.get(FOLDER):
        return text_of(folder, _state)
    registry = CollectorRegistry()
    registry.register(_state)
    return generate_latest(REGISTRY) + generate_latest(registry)


def _may_read(request: HttpRequest) -> bool:
    token = conf().METRICS_TOKEN
    sent = request.headers.get("Authorization", "")
    if token and hmac.compare_digest(sent.encode(), f"Bearer {token}".encode()):
        return True
    if any(name in request.headers for name in _FORWARDED):
        return False
    try:
        address = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:  # a Unix socket has none
        return False
    return any(address in ip_network(known) for known in conf().METRICS_ALLOWED)
