"""A client's work through nginx: batches, large files, X-Accel-Redirect."""

import hashlib
import http.client
import json
import socket
from contextlib import closing
from typing import Any

import httpx
import pytest

from tests.conformance.client import envelope, jsonl, line
from tests.rig.stack import Stack
from tests.topology.clients import project
from tests.topology.nginx import PREFIX, Nginx

pytestmark = pytest.mark.topology

LARGE = 200_000_000


def large_file() -> bytes:
    """Return a batch file of 200 MB whose every byte counts."""
    rows = [json.dumps(line(str(n), "ECHO " + f"{n:09}" * 2000)) for n in range(11_000)]
    text = "\n".join(rows).encode()
    return text[:LARGE].ljust(LARGE, b"\n")


@pytest.fixture(scope="module")
def large(deployed: Stack, nginx: Nginx) -> Any:
    """A stored file of 200 MB: its project's client, its id, its bytes."""
    content = large_file()
    with project(nginx.base_url, deployed.new_key()) as api:
        yield api, api.up(content).id, content


def speaking(nginx: Nginx) -> "closing[http.client.HTTPConnection]":
    """Open a connection on which a test writes what no client library would."""
    return closing(http.client.HTTPConnection("127.0.0.1", nginx.port))


def test_nginx_takes_the_configuration(nginx):
    said = nginx.check()

    assert "test is successful" in said
    assert "[warn]" not in said


def test_a_batch_runs_from_upload_to_download(api):
    ids = [str(n) for n in range(300)]
    batch = api.run(*[line(n, f"ECHO {n}") for n in ids])

    assert batch["status"] == "completed"
    assert set(api.union(batch, ids)) == set(ids)


def test_200_mb_go_up_and_come_down_byte_for_byte(large):
    api, file_id, content = large
    digest = hashlib.sha256()

    with api.client.files.with_streaming_response.content(file_id) as response:
        for block in response.iter_bytes(1 << 20):
            digest.update(block)

    assert digest.hexdigest() == hashlib.sha256(content).hexdigest()


def test_nginx_sends_the_file_with_the_servers_headers(api):
    content = jsonl(line("1"))
    file = api.up(content, name='naïve "1".jsonl')
    response = api.raw("GET", f"/files/{file.id}/content")

    assert response.content == content
    assert response.headers["etag"]  # only nginx makes one
    assert "x-accel-redirect" not in response.headers
    assert response.headers["content-type"] == "application/octet-stream"
    assert "filename*=utf-8''na%C3%AFve" in response.headers["content-disposition"]
    assert response.headers["x-request-id"].startswith("req_")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in response.headers["content-security-policy"]


def test_the_server_itself_sends_the_same_headers(deployed, api):
    file = api.up(jsonl(line("1")), name='naïve "1".jsonl')
    path = f"/files/{file.id}/content"

    with project(deployed.base_url, api.key) as direct:
        ours, nginxs = direct.raw("GET", path), api.raw("GET", path)

    same = ("content-disposition", "content-type", "content-length", "cache-control")
    assert [ours.headers[n] for n in same] == [nginxs.headers[n] for n in same]
    assert ours.content == nginxs.content


def test_a_part_of_a_file_can_be_asked_for(large):
    api, file_id, content = large
    headers = {"Range": "bytes=1000-1999"}

    response = api.raw("GET", f"/files/{file_id}/content", headers=headers)

    assert (response.status_code, response.content) == (206, content[1000:2000])


def test_head_tells_the_length_only(large):
    api, file_id, _ = large

    response = api.raw("HEAD", f"/files/{file_id}/content")

    assert (response.headers["content-length"], response.content) == (str(LARGE), b"")


def test_nobody_can_ask_for_the_internal_location(deployed, nginx, api):
    name = f"{api.up(jsonl(line('1'))).id}*"
    stored = next(p for p in (deployed.folder / "batch/files").rglob(name))
    root = nginx.base_url.removesuffix("/v1")
    path = stored.relative_to(deployed.folder / "batch")

    for spelled in (f"{PREFIX}{path}", f"/v1/..{PREFIX}{path}", f"/%5fstored/{path}"):
        envelope(httpx.get(root + spelled, timeout=60), 404)


def test_a_stranger_gets_nothing_by_the_short_cut(deployed, nginx, large):
    _, file_id, _ = large
    headers = {"X-Accel-Prefix": PREFIX, "X-Accel-Redirect": f"{PREFIX}files/"}

    with project(nginx.base_url, deployed.new_key()) as stranger:
        response = stranger.raw("GET", f"/files/{file_id}/content", headers=headers)

    envelope(response, 404)


def test_who_comes_past_nginx_gets_the_bytes_themselves(deployed, api):
    content = jsonl(line("1"))
    file = api.up(content)

    with project(deployed.base_url, api.key) as direct:
        for headers in ({}, {"X-Accel-Prefix": "/etc/"}):
            response = direct.raw("GET", f"/files/{file.id}/content", headers=headers)
            assert response.content == content
            assert "x-accel-redirect" not in response.headers


def test_a_chunked_upload_arrives_whole(api, nginx):
    content = jsonl(line("1"))
    form = (
        b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"'
        b"\r\n\r\n" + content + b"\r\n--x--\r\n"
    )
    headers = {
        "Authorization": f"Bearer {api.key}",
        "Content-Type": "multipart/form-data; boundary=x",
    }
    with speaking(nginx) as connection:
        blocks = iter([form[:50], form[50:]])
        connection.request("POST", "/v1/files", blocks, headers, encode_chunked=True)
        answer = json.loads(connection.getresponse().read())

    assert answer["bytes"] == len(content)


def test_a_broken_off_upload_never_reaches_the_server(api, nginx):
    head = (
        f"POST /v1/files HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {api.key}"
        "\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 9999\r\n"
    )
    with socket.create_connection(("127.0.0.1", nginx.port)) as sock:
        sock.sendall(head.encode() + b"\r\n--x\r\n")

    assert api.client.files.list().data == []


def test_refusals_of_nginx_have_openais_form(api, nginx):
    headers = {"Content-Length": str(600 << 20), "Authorization": f"Bearer {api.key}"}
    with speaking(nginx) as connection:
        connection.putrequest("POST", "/v1/files")
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        error = json.loads(response.read())["error"]

    assert (response.status, error["message"]) == (413, "File is too large.")
    assert response.headers["x-request-id"].startswith("req_")


def test_metrics_are_not_for_the_world(nginx):
    root = nginx.base_url.removesuffix("/v1")

    assert httpx.get(f"{root}/metrics", timeout=60).status_code == 404
    assert httpx.get(f"{root}/health", timeout=60).status_code == 200


def test_without_a_server_nginx_says_so_in_openais_form(tmp_path):
    nginx = Nginx(tmp_path, "127.0.0.1:9", tmp_path).start()
    try:
        response = httpx.get(f"{nginx.base_url}/files", timeout=60)
    finally:
        nginx.stop()

    envelope(response, 503, text="does not answer")
    assert response.headers["retry-after"]
