"""The shop's files: the same label as vLLM Batch's folder, and no clash."""

from django.apps import AppConfig


class FilesConfig(AppConfig):
    """The shop's papers; the label is `files`, ours is `vllm_files`."""

    name = "shop.files"
