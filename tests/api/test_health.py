"""GET /health."""

from typing import NoReturn

import pytest
from django.db import OperationalError, connection

pytestmark = pytest.mark.django_db


def refuse() -> NoReturn:
    raise OperationalError("connection to 10.0.0.5 refused")


def test_it_is_200_while_the_database_answers(client):
    response = client.get("/health")

    assert response.status_code == 200
    assert response.json() == {"status": "ok", "database": "ok"}


def test_it_is_503_when_the_database_does_not_answer(client, monkeypatch):
    monkeypatch.setattr(connection, "cursor", refuse)

    response = client.get("/health")

    assert response.status_code == 503
    assert response.json()["status"] == "unavailable"


def test_it_tells_strangers_nothing_about_the_cause(client, monkeypatch):
    monkeypatch.setattr(connection, "cursor", refuse)

    response = client.get("/health")

    assert "10.0.0.5" not in response.content.decode()


def test_it_answers_head_requests(client):
    assert client.head("/health").status_code == 200


def test_it_refuses_other_methods(client):
    assert client.post("/health").status_code == 405
