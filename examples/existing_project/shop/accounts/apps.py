"""The shop's accounts: the same label as vLLM Batch's folder, and no clash."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Who may log in; its label is `accounts`, ours is `vllm_accounts`."""

    name = "shop.accounts"
