"""A small Label Studio in memory, spoken to over a real socket.

It does what the calls we use do in the real one; `tests/label_studio` asks that one.
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

LEGACY = "0123456789012345678901234567890123456789"
PERSONAL = "a.refresh.token"


class Server:
    """Its rows, its faults, and what was asked of it."""

    def __init__(self) -> None:
        self.projects: dict[int, dict[str, Any]] = {}
        self.tasks: dict[int, dict[str, Any]] = {}
        self.users: dict[int, str] = {1: "a@example.com", 2: "b@example.com"}
        self.calls: list[str] = []
        # (method, path, "before" or "after" it was done): the answer never comes.
        self.faults: list[tuple[str, str, str]] = []
        self.access = "an.access.token"
        self.url = ""
        self._annotations = 0

    def annotate(self, task: dict[str, Any], *results: Any, **fields: Any) -> Any:
        """Add an annotation, as a person does on the page."""
        self._annotations += 1
        user = fields.pop("user", 1)
        made = {
            "id": self._annotations,
            "result": list(results),
            "completed_by": user,
            "updated_by": user,
            "was_cancelled": False,
            "ground_truth": False,
            "lead_time": 2.5,
            "updated_at": now(),
            **fields,
        }
        task["annotations"].append(made)
        task["updated_at"] = now()
        return made

    def change(self, task: dict[str, Any], annotation: Any, **fields: Any) -> None:
        """Change an annotation; `updated_by` says who did."""
        annotation.update(fields, updated_at=now())
        task["updated_at"] = now()

    def of(self, task: Any) -> list[dict[str, Any]]:
        """Return the remote tasks of one of ours."""
        name = f"task:{task.pk}:"
        return [
            one for one in self.tasks.values() if one["data"]["ext_id"].startswith(name)
        ]

    def answer(self, method: str, path: str, query: Any, body: Any) -> tuple[int, Any]:
        """Do what is asked."""
        if path == "/api/token/refresh":
            known = body == {"refresh": PERSONAL}
            return (200, {"access": self.access}) if known else (401, {"detail": "no"})
        if path == "/api/projects":
            return self._projects(method, query, body)
        if path == "/api/users":
            return 200, [{"id": pk, "email": e} for pk, e in self.users.items()]
        if path == "/api/tasks":
            return 200, {"tasks": list(self._listed(query))}
        if found := re.fullmatch(r"/api/projects/(\d+)", path):
            self.projects[int(found[1])].update(body)
            return 200, self.projects[int(found[1])]
        if found := re.fullmatch(r"/api/projects/(\d+)/import", path):
            return self._import(int(found[1]), body)
        if found := re.fullmatch(r"/api/tasks/(\d+)/?", path):
            return self._task(method, int(found[1]), body)
        return 404, {"detail": "Not found."}

    def _projects(self, method: str, query: Any, body: Any) -> tuple[int, Any]:
        if method == "POST":
            assert len(body["title"]) <= 50
            pk = len(self.projects) + 1
            self.projects[pk] = {"id": pk, **body}
            return 201, self.projects[pk]
        (title,) = query["title"]
        found = [one for one in self.projects.values() if title in one["title"]]
        return 200, {"results": found, "next": None}

    def _import(self, project: int, body: Any) -> tuple[int, Any]:
        variables = re.findall(r'"\$(\w+)"', self.projects[project]["label_config"])
        if any(name not in task["data"] for task in body for name in variables):
            return 400, {"detail": "a variable is missing"}
        ids = []
        for task in body:
            pk = max(self.tasks, default=0) + 1
            more = {
                "id": pk,
                "project": project,
                "annotations": [],
                "updated_at": now(),
            }
            self.tasks[pk] = {**task, **more}
            ids.append(pk)
        return 201, {"task_count": len(ids), "task_ids": ids}

    def _listed(self, query: Any) -> Iterator[dict[str, Any]]:
        asked = json.loads(query["query"][0])
        assert asked["ordering"] == ["tasks:id"]
        least = {item["filter"]: item["value"] for item in asked["filters"]["items"]}
        found = sorted(self.tasks.values(), key=lambda task: int(task["id"]))
        page = [
            task
            for task in found
            if task["project"] == int(query["project"][0])
            and task["id"] > least["filter:tasks:id"]
            and task["updated_at"] > least.get("filter:tasks:updated_at", "")
        ]
        yield from page[: int(query["page_size"][0])]

    def _task(self, method: str, pk: int, body: Any) -> tuple[int, Any]:
        if pk not in self.tasks:
            return 404, {"detail": "Not found."}
        if method == "DELETE":
            del self.tasks[pk]
            return 204, None
        self.tasks[pk].update(body, updated_at=now())
        return 200, self.tasks[pk]


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@contextmanager
def running() -> Iterator[Server]:
    """A server that listens on a free port."""
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"null")
            call = f"{self.command} {parts.path}"
            server.calls.append(call)
            fault = _fault(server, self.command, parts.path)
            if fault == "before":
                return self._hang_up()
            query = parse_qs(parts.query)
            is_open = parts.path.startswith("/api/token")
            known = (f"Token {LEGACY}", f"Bearer {server.access}")
            if not is_open and self.headers["Authorization"] not in known:
                status, answer = 401, {"detail": "Invalid token."}
            else:
                status, answer = server.answer(self.command, parts.path, query, body)
            if fault == "after":
                return self._hang_up()
            content = b"" if answer is None else json.dumps(answer).encode()
            self.send_response_only(status)
            self.send_header("Date", format_datetime(datetime.now(UTC), usegmt=True))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _hang_up(self) -> None:
            self.close_connection = True

        do_GET = do_POST = do_PATCH = do_DELETE = _serve

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


def _fault(server: Server, method: str, path: str) -> str:
    for fault in server.faults:
        if method == fault[0] and re.fullmatch(fault[1], path):
            server.faults.remove(fault)
            return fault[2]
    return ""
