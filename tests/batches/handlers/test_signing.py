"""Signatures that standard-webhooks libraries and the `openai` client accept."""

import base64
import time

import openai
import pytest

from batches.handlers.webhook.signing import headers, new_secret, sign

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
BODY = (
    b'{"id":"evt_68f0a1","object":"event","created_at":1790000000,'
    b'"type":"batch.completed","data":{"id":"batch_abc123"}}'
)
VECTOR = "v1,UQWo0HliAdvTLy4H3AFqxYlqU8jhxsTHk4r7k0CiW5w="
client = openai.OpenAI(api_key="none", base_url="http://127.0.0.1:9")


def signed(*secrets: str, webhook_id: str = "wh_1", shift: int = 0) -> dict[str, str]:
    return headers(secrets, webhook_id, int(time.time()) + shift, BODY)


def test_the_vector_of_the_contract():
    assert sign(SECRET, "wh_6a10c0ffee", 1790000005, BODY) == VECTOR


def test_a_secret_has_256_random_bits():
    secret = new_secret()

    assert secret.startswith("whsec_") and secret != new_secret()
    assert len(base64.b64decode(secret[6:])) == 32


@pytest.mark.parametrize("webhook_id", ["wh_1", "wh.with.dots"])
@pytest.mark.parametrize("shift", [0, -299, 299])
def test_the_client_accepts_it(webhook_id, shift):
    secret = new_secret()
    sent = signed(secret, webhook_id=webhook_id, shift=shift)

    event = client.webhooks.unwrap(BODY, sent, secret=secret)

    assert event.type == "batch.completed" and event.data.id == "batch_abc123"


@pytest.mark.parametrize("shift", [-360, 360])
def test_the_client_refuses_another_time(shift):
    secret = new_secret()

    with pytest.raises(openai.InvalidWebhookSignatureError):
        client.webhooks.unwrap(BODY, signed(secret, shift=shift), secret=secret)


def test_the_client_refuses_another_body_and_another_secret():
    secret = new_secret()
    for body, known in [(BODY + b" ", secret), (BODY, new_secret())]:
        with pytest.raises(openai.InvalidWebhookSignatureError):
            client.webhooks.unwrap(body, signed(secret), secret=known)


def test_during_a_rotation_both_secrets_work():
    old, new = new_secret(), new_secret()
    sent = signed(new, old)

    for secret in (old, new):
        client.webhooks.verify_signature(BODY, sent, secret=secret)

    assert len(sent["webhook-signature"].split(" ")) == 2
