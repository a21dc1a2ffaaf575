"""What no view sees: compressed bodies, requests without TLS; headers of answers."""

import gzip
import os
import subprocess
import sys
import zlib
from typing import Any

import pytest
from django.test import Client

from tests.api.test_errors import error_of
from tests.factories import make_batch, make_client, make_file, make_project
from tests.files.uploads import BOUNDARY, form
from tests.rig.process import ROOT
from vllm_batch.lib.page_policy import PAGE_POLICY

pytestmark = pytest.mark.django_db
# 100 MB in 100 kB.
BOMB = zlib.compress(bytes(100_000_000), 9)


@pytest.mark.parametrize(
    "coding", ["gzip", "deflate", "br", "zstd", "GZIP", "identity, gzip"]
)
@pytest.mark.parametrize("path", ["/v1/batches", "/v1/files", "/v1/webhook_endpoints"])
def test_a_compressed_body_is_415(path, coding):
    headers = {"Content-Encoding": coding}
    content_type = "application/json"
    if path == "/v1/files":
        content_type = f"multipart/form-data; boundary={BOUNDARY}"

    response = make_client().post(path, BOMB, content_type, headers=headers)

    assert error_of(response, 415)["code"] == "unsupported_content_encoding"


@pytest.mark.parametrize("coding", ["", "identity", "Identity"])
def test_a_body_as_it_is_may_say_so(coding):
    response = make_client().post(
        "/v1/batches", b"{}", "application/json", headers={"Content-Encoding": coding}
    )

    assert error_of(response, 400)["code"] == "missing_required_parameter"


def test_a_compressed_file_is_never_opened():
    content = gzip.compress(b"{}\n")
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}

    response = make_client().post(
        "/v1/files",
        form(content, filename="in.jsonl"),
        f"multipart/form-data; boundary={BOUNDARY}",
        headers=headers,
    )

    assert "utf-8" in error_of(response, 400)["message"]


PAGES = ["/admin/login/", "/nowhere", "/health", "/openapi.json"]
CALLS = ["/v1/files", "/v1/nope", "/v1/files/file-none", "/v1/files/"]


@pytest.mark.parametrize("path", [*PAGES, *CALLS])
def test_every_answer_carries_the_walls(path):
    response = make_client().get(path)

    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    policy = response["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert (policy == PAGE_POLICY) == (path in PAGES)


def test_no_page_allows_scripts_written_into_it():
    (scripts,) = [part for part in PAGE_POLICY.split("; ") if "script" in part]

    assert "unsafe-inline" not in scripts and "http" not in PAGE_POLICY


def test_what_the_api_answers_is_kept_by_nobody():
    project = make_project()
    batch = make_batch(project=project)
    client = make_client(project)

    download = client.get(f"/v1/files/{batch.input_file_id}/content")
    assert b"".join(download)
    assert download["Cache-Control"] == "no-store"
    assert client.get("/v1/batches")["Cache-Control"] == "no-store"


def test_a_download_runs_in_no_browser():
    project = make_project()
    file = make_file(b"<script>", project, filename="x.html", purpose="user_data")

    client = make_client(project)

    response = client.get(f"/v1/files/{file.pk}/content")

    assert b"".join(response) == b"<script>"
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"].startswith("attachment")
    assert response["X-Content-Type-Options"] == "nosniff"


@pytest.fixture
def behind_tls(settings: Any) -> None:
    """What HTTPS=true sets."""
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 1000


def test_a_call_without_tls_is_refused_and_not_redirected(behind_tls):
    response = make_client().post("/v1/batches", b"{}", "application/json")

    assert error_of(response, 403)["code"] == "https_required"


def test_a_call_with_tls_is_served_and_browsers_remember(behind_tls):
    response = make_client().get("/v1/files", secure=True)

    assert response.status_code == 200
    assert response["Strict-Transport-Security"] == "max-age=1000"


def test_an_error_with_tls_keeps_its_headers(behind_tls):
    client = make_client()

    for path, host in (("/v1/nope", "testserver"), ("/v1/files", "evil.example")):
        response = client.get(path, secure=True, headers={"Host": host})
        assert response.status_code in (400, 404)
        assert response["X-Content-Type-Options"] == "nosniff"


def test_a_page_without_tls_is_redirected(behind_tls, client: Client):
    response = client.get("/admin/login/")

    assert response.status_code == 301 and response["Location"].startswith("https://")


def test_a_probe_from_inside_needs_no_tls(behind_tls, client: Client):
    assert client.get("/health").status_code == 200


PRODUCTION = {
    "ALLOWED_HOSTS": "batch.example.com",
    "CSRF_TRUSTED_ORIGINS": "https://batch.example.com",
    "HTTPS": "true",
    "TRUSTED_PROXIES": "127.0.0.1",
    "ADMIN_PATH": "back-office",
}


def run(tmp_path: Any, *arguments: str, **environment: str) -> Any:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "DATA_DIR": str(tmp_path),
            "DATABASE_URL": "",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("scope", ["host", "subdomains", "preload"])
def test_the_documented_settings_pass_the_deployment_check(tmp_path, scope):
    check = ("check", "--deploy", "--fail-level", "WARNING")

    done = run(tmp_path, *check, **PRODUCTION, HSTS_SCOPE=scope)

    assert done.returncode == 0, done.stderr


def test_the_documented_settings_are_these():
    page = (ROOT / "docs/how-to/harden.md").read_text()

    assert all(f"{name}={value}" in page for name, value in PRODUCTION.items())


SHOW = """
from django.urls import reverse
from django.conf import settings as s
print(reverse('admin:login'), reverse('review:queues'))
print(s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.SECURE_HSTS_SECONDS)
"""


def test_the_admin_lies_where_it_is_told_to(tmp_path):
    done = run(tmp_path, "shell", "--no-imports", "-c", SHOW, **PRODUCTION)

    where, cookies = done.stdout.splitlines()
    assert where == "/back-office/login/ /back-office/review/"
    assert cookies == "True True 31536000"


BAD = [
    ("TRUSTED_PROXIES", "10.0.0.0/33"),
    ("TRUSTED_PROXIES", "nginx"),
    ("TRUSTED_PROXIES", "10.0.0.1/8"),
    ("ADMIN_PATH", "/admin/"),
    ("ADMIN_PATH", "v1"),
    ("CACHE_URL", "memcached://a"),
    ("RATE_UPLOADS_PER_KEY", "-1"),
    ("HSTS_SCOPE", "world"),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_stops_the_start(monkeypatch, name, value):
    from django.core.exceptions import ImproperlyConfigured

    from vllm_batch.environment import read_environment

    monkeypatch.setenv(name, value)

    with pytest.raises(ImproperlyConfigured, match=name):
        read_environment()


def test_a_caches_password_is_not_shown(monkeypatch):
    from django.core.exceptions import ImproperlyConfigured

    from vllm_batch.environment import read_environment

    monkeypatch.setenv("CACHE_URL", "http://:hunter2@valkey")

    with pytest.raises(ImproperlyConfigured) as stop:
        read_environment()

    assert "hunter2" not in str(stop.value)
