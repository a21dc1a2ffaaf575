"""Label Studio's HTTP API: the few calls we need, each with an end to it.

Plain HTTP and not `label-studio-sdk`: docs/adr has the reasons.
"""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests

from curation.label_studio.errors import Refused, Unreachable
from curation.label_studio.tokens import LegacyToken, PersonalToken, is_personal
from vllm_batch import __version__
from vllm_batch.lib.conf import conf

CONNECT_SECONDS, SILENCE_SECONDS, TOTAL_SECONDS = 10, 60, 240
MOST_BYTES = 256 << 20
SHOWN_LETTERS = 300
PAGE = 100


def connect() -> "LabelStudio":
    """Return a client for the server that the settings name."""
    return LabelStudio(conf().LABEL_STUDIO_URL, conf().LABEL_STUDIO_TOKEN)


class LabelStudio:
    """A server and our account there. Every call raises Unreachable or Refused."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        # The server's clock, as its last answer had it.
        self.server_time = datetime.now(UTC)
        self._personal = token
        self._session = requests.Session()
        self._session.headers["User-Agent"] = f"vllm-batch/{__version__}"
        personal = is_personal(token)
        self._auth = PersonalToken(self._exchange) if personal else LegacyToken(token)

    def find_project(self, title: str, marker: str) -> dict[str, Any] | None:
        """Return the project of this title whose description has the marker."""
        page = 1
        while True:
            query = {"title": title, "page": page, "page_size": PAGE}
            found = self._call("GET", "/api/projects", params=query)
            for project in _part(found, "results", list):
                if marker in (project.get("description") or ""):
                    return dict(project)
            if not found.get("next"):
                return None
            page += 1

    def create_project(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Make a project; `title` has at most 50 characters."""
        return dict(self._call("POST", "/api/projects", body=fields))

    def update_project(self, project: int, fields: dict[str, Any]) -> None:
        """Change a project's settings."""
        self._call("PATCH", f"/api/projects/{project}", body=fields)

    def import_tasks(self, project: int, tasks: list[dict[str, Any]]) -> list[int]:
        """Import tasks and return their ids in order. Twice makes them twice."""
        path = f"/api/projects/{project}/import"
        query = {"return_task_ids": "true"}
        answer = self._call("POST", path, params=query, body=tasks)
        ids: list[int] = _part(answer, "task_ids", list)
        if len(ids) != len(tasks):
            raise Unreachable("Label Studio did not say which tasks it imported.")
        return ids

    def tasks(
        self, project: int, *, after_id: int = 0, since: datetime | None = None
    ) -> list[dict[str, Any]]:
        """Return up to PAGE tasks by id, with predictions and annotations.

        By id and not by number of page: no task can be passed over while others
        change. `since` keeps those that were updated later.
        """
        items = [_filter("id", "Number", after_id)]
        if since is not None:
            moment = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            items.append(_filter("updated_at", "Datetime", moment))
        query = {
            "filters": {"conjunction": "and", "items": items},
            "ordering": ["tasks:id"],
        }
        parameters: dict[str, Any] = {
            "project": project,
            "page": 1,
            "page_size": PAGE,
            "fields": "all",
            "query": json.dumps(query),
        }
        found = self._call("GET", "/api/tasks", params=parameters)
        return list(_part(found, "tasks", list))

    def all_tasks(self, project: int) -> Iterator[dict[str, Any]]:
        """Yield all tasks of a project."""
        last = 0
        while page := self.tasks(project, after_id=last):
            yield from page
            last = max(int(task["id"]) for task in page)

    def update_task(self, task: int, data: dict[str, Any]) -> None:
        """Replace a task's data."""
        self._call("PATCH", f"/api/tasks/{task}", body={"data": data})

    def delete_task(self, task: int) -> None:
        """Delete a task and its annotations; none there is fine."""
        try:
            self._call("DELETE", f"/api/tasks/{task}/")
        except Refused as error:
            if error.status != requests.codes.not_found:
                raise

    def users(self) -> dict[int, dict[str, Any]]:
        """Return the organization's users by id."""
        return {int(user["id"]): user for user in self._call("GET", "/api/users")}

    def _exchange(self) -> str:
        url = f"{self.url}/api/token/refresh"
        body = {"refresh": self._personal}
        status, content = self._send("POST", url, json=body)
        if status != requests.codes.ok:
            raise _refusal(status, content, "its personal access token")
        return str(_part(_parsed(content), "access", str))

    def _call(
        self, method: str, path: str, *, params: Any = None, body: Any = None
    ) -> Any:
        url, sent = f"{self.url}{path}", {"params": params, "json": body}
        status, content = self._send(method, url, auth=self._auth, **sent)
        if status == requests.codes.unauthorized and self._auth.renew():
            status, content = self._send(method, url, auth=self._auth, **sent)
        if not 200 <= status < 300:
            raise _refusal(status, content, f"{method} {path}")
        return _parsed(content) if content else None

    def _send(self, method: str, url: str, **sent: Any) -> tuple[int, bytes]:
        """Send one request and read the answer, up to a size and a time."""
        try:
            with self._session.request(
                method,
                url,
                # A redirect would take the token along to whoever it names.
                allow_redirects=False,
                stream=True,
                timeout=(CONNECT_SECONDS, SILENCE_SECONDS),
                **sent,
            ) as answer:
                self._note_time(answer.headers.get("Date", ""))
                return answer.status_code, _read(answer)
        except requests.RequestException as error:
            text = f"Label Studio at {self.url} does not answer: {type(error).__name__}"
            raise Unreachable(text) from error

    def _note_time(self, date: str) -> None:
        try:
            self.server_time = parsedate_to_datetime(date).astimezone(UTC)
        except ValueError:
            self.server_time = datetime.now(UTC)


def _filter(column: str, kind: str, value: object) -> dict[str, object]:
    name = f"filter:tasks:{column}"
    return {"filter": name, "operator": "greater", "type": kind, "value": value}


def _read(answer: requests.Response) -> bytes:
    ends_at, content = time.monotonic() + TOTAL_SECONDS, bytearray()
    for block in answer.iter_content(65_536):
        content += block
        if len(content) > MOST_BYTES or time.monotonic() > ends_at:
            raise Unreachable("Label Studio's answer is too long or too slow.")
    return bytes(content)


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError as error:
        raise Unreachable("Label Studio's answer is not JSON.") from error


def _part(answer: Any, name: str, kind: type) -> Any:
    """Return a part of an answer; raises Unreachable if Label Studio never said so."""
    part = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(part, kind):
        raise Unreachable(f"Label Studio's answer has no {name}: is it one?")
    return part


def _refusal(status: int, content: bytes, what: str) -> Refused | Unreachable:
    said = content[:SHOWN_LETTERS].decode(errors="replace")
    text = f"Label Studio answered {status} to {what}: {said}"
    if status >= 500 or status in (408, 429):
        return Unreachable(text)
    return Refused(status, text)
