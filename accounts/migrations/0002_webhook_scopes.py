"""Let the keys that might do everything do webhooks too."""

from typing import Any

from django.db import migrations

EVERYTHING = {
    "files:read",
    "files:write",
    "batches:read",
    "batches:write",
    "models:read",
}
NEW = ["webhooks:read", "webhooks:write"]


def grant(apps: Any, schema_editor: Any) -> None:
    """Add the scopes."""
    for key in apps.get_model("vllm_accounts", "ApiKey").objects.all():
        if set(key.scopes) >= EVERYTHING:
            key.scopes = [*key.scopes, *(s for s in NEW if s not in key.scopes)]
            key.save(update_fields=["scopes"])


def withdraw(apps: Any, schema_editor: Any) -> None:
    """Take them away again: they would not be known."""
    for key in apps.get_model("vllm_accounts", "ApiKey").objects.all():
        key.scopes = [scope for scope in key.scopes if scope not in NEW]
        key.save(update_fields=["scopes"])


class Migration(migrations.Migration):

    dependencies = [("vllm_accounts", "0001_initial")]

    operations = [migrations.RunPython(grant, withdraw)]
