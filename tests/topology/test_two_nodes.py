"""Two web nodes behind nginx are one server: what one took the other has."""

import http.client
import socket
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.conformance.client import Api, envelope, jsonl, line
from tests.rig.stack import Stack
from tests.topology.clients import project, working
from tests.topology.nginx import Nginx, find_nginx
from tests.topology.nodes import Node

pytestmark = [
    pytest.mark.topology,
    pytest.mark.skipif(not find_nginx(), reason="nginx is not here"),
]

# A minute may end between two uploads: then the next one decides.
LIMIT, TRIES = 3, 2


@pytest.fixture(scope="module")
def nodes(deployed: Stack) -> Iterator[list[Node]]:
    """Two nodes of the stack that the other tests use, too."""
    started: list[Node] = []
    try:
        for name in ("node-1", "node-2"):
            started.append(Node(deployed, name).start())
        yield started
    finally:
        for node in started:
            node.stop()


@pytest.fixture(scope="module")
def balanced(
    nodes: list[Node], deployed: Stack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nginx]:
    """The nginx in front of both: one `server` line for each."""
    folder = tmp_path_factory.mktemp("balanced")
    line = " fail_timeout=1s;\n    server "
    servers = line.join(node.address for node in nodes)
    nginx = Nginx(folder, servers, deployed.folder / "batch").start()
    yield nginx
    nginx.stop()


def test_a_batch_of_one_node_runs_on_a_file_of_the_other(nodes, deployed):
    key, ids = deployed.new_key(), [str(n) for n in range(50)]
    with project(nodes[0].base_url, key) as one, project(nodes[1].base_url, key) as two:
        file = one.up(jsonl(*[line(n, f"ECHO {n}") for n in ids]))
        batch = two.mk(file.id)
        done = one.wait(batch.id)

        assert done["status"] == "completed"
        assert set(two.union(done, ids)) == set(ids)


def test_a_repeated_order_at_the_other_node_makes_no_second_batch(nodes, deployed):
    key, sent = deployed.new_key(), {"Idempotency-Key": "once"}
    with project(nodes[0].base_url, key) as one, project(nodes[1].base_url, key) as two:
        file = one.up(jsonl(line("1")))
        first = one.mk(file.id, extra_headers=sent)
        second = two.mk(file.id, extra_headers=sent)

        assert first.id == second.id


def refusals(first: Api, second: Api) -> list[int]:
    """Return how both answer to uploads in turn, one more than the limit in all."""
    return [
        api.form(jsonl(line("1")), purpose="batch").status_code
        for api in [first, second] * LIMIT
    ][: LIMIT + 1]


def test_both_count_for_one_rate_limit(deployed):
    limited = {"RATE_UPLOADS_PER_KEY": str(LIMIT)}
    nodes = [Node(deployed, f"limited-{n}", **limited).start() for n in (1, 2)]
    try:
        for _ in range(TRIES):
            key = deployed.new_key()
            with (
                project(nodes[0].base_url, key) as one,
                project(nodes[1].base_url, key) as two,
            ):
                found = refusals(one, two)
                if found == [200] * LIMIT + [429]:
                    envelope(two.form(jsonl(line("1")), purpose="batch"), 429)
                    return
    finally:
        for node in nodes:
            node.stop()
    raise AssertionError(found)


def test_requests_reach_both_nodes(balanced, deployed, nodes):
    before = [node.answered() for node in nodes]
    with project(balanced.base_url, deployed.new_key()) as api:
        answers = [api.raw("GET", "/files").status_code for _ in range(20)]

    assert answers == [200] * 20
    more = [node.answered() - n for node, n in zip(nodes, before, strict=True)]
    assert min(more) >= 5


def test_a_node_that_ends_under_load_loses_no_request(balanced, deployed, nodes):
    with working(balanced, deployed):
        for node in nodes:  # a test before this one may have started it just now
            node.wait_for_requests(node.answered() + 20)
        for node in [*nodes, *nodes]:
            assert node.stop() == 0
            time.sleep(2)  # the other one carries it all
            node.start().wait_for_requests(20)


def is_refused(node: Node) -> bool:
    """Tell whether nobody listens at the node's address."""
    host, port = node.address.split(":")
    with socket.socket() as sock:
        return sock.connect_ex((host, int(port))) != 0


def test_a_node_that_ends_refuses_at_once_and_ends_what_it_has(deployed):
    node, key = Node(deployed, "ending").start(), deployed.new_key()
    form = (
        b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"'
        b"\r\n\r\n" + jsonl(line("1")) + b"\r\n--x--\r\n"
    )
    connection = http.client.HTTPConnection(node.address, timeout=60)
    with closing(connection):
        connection.putrequest("POST", "/v1/files")
        connection.putheader("Authorization", f"Bearer {key}")
        connection.putheader("Content-Type", "multipart/form-data; boundary=x")
        connection.putheader("Content-Length", str(len(form)))
        connection.endheaders(form[:50])
        node.wait_for_requests(1)
        node.end()

        ends_at = time.monotonic() + 20
        while not is_refused(node):
            # What it accepted now, it would have to answer: nobody is there to do it.
            assert time.monotonic() < ends_at, "it still takes connections"
            time.sleep(0.05)
        assert node.is_alive
        connection.send(form[50:])

        assert connection.getresponse().status == 200
    assert node.stop() == 0


def test_who_was_sent_nothing_is_asked_at_the_other_node(balanced, deployed, nodes):
    gone = nodes[1]
    gone.stop()
    try:
        with project(balanced.base_url, deployed.new_key()) as api:
            # A POST, too: nothing of it was sent to the node that is not there.
            made = [
                api.form(jsonl(line("1")), purpose="batch").status_code
                for _ in range(6)
            ]
    finally:
        gone.start()

    assert made == [200] * 6
