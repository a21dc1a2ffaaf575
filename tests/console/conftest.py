"""Tests of the console share the fixtures of fast tests."""

from tests.fixtures import configure, quick_passwords, storage

__all__ = ["configure", "quick_passwords", "storage"]
