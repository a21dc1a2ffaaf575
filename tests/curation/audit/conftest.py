"""Fixtures of this folder's tests."""

from tests.fixtures import configure, quick_passwords, storage

__all__ = ["configure", "quick_passwords", "storage"]
