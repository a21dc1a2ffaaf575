"""Handlers are found in apps and in the setting; what is wrong there is reported."""

import sys
import types

import pytest

from batches.checks import check_result_handlers
from batches.handlers import ResultHandler, register, registry
from batches.handlers.log import LogHandler
from batches.handlers.registry import autodiscover, find_handlers
from tests.batches.handlers import cast
from tests.batches.handlers.cast import Fake


class Registered(ResultHandler):
    """Marked by an app."""


class Twin(Fake):
    """Called as another one."""


class Long(ResultHandler):
    """Has a name that no column holds."""

    name = "x" * 101


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})


def ids(settings, paths):
    settings.RESULT_HANDLERS = paths
    return [message.id for message in check_result_handlers()]


def test_a_registered_handler_is_found_by_its_path():
    register(Registered)

    assert find_handlers()[f"{__name__}.Registered"] is Registered


def test_a_handler_of_the_setting_is_found_by_its_name(settings):
    settings.RESULT_HANDLERS = ["batches.handlers.log.LogHandler"]

    assert find_handlers() == {"log": LogHandler}


def test_an_apps_result_handlers_are_discovered(monkeypatch):
    module = types.ModuleType("files.result_handlers")
    monkeypatch.setitem(sys.modules, "files.result_handlers", module)
    register(Registered)

    autodiscover()

    assert Registered in find_handlers().values()


def test_registering_twice_is_no_fault():
    assert register(register(Registered)) is Registered


def test_two_of_one_name_are_refused():
    register(Fake)

    with pytest.raises(ValueError, match="another `name`"):
        register(Twin)


def test_good_settings_have_no_faults(settings):
    assert ids(settings, [f"{cast.__name__}.Fake"]) == []


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        ("batches.handlers.log.LogHandler", ["batches.E001"]),
        (["batches.nowhere.Handler"], ["batches.E002"]),
        (["no dots"], ["batches.E002"]),
        (["batches.handlers.log.logger"], ["batches.E003"]),
        ([f"{__name__}.Twin", f"{cast.__name__}.Fake"], ["batches.E004"]),
        ([f"{__name__}.Long"], ["batches.E005"]),
    ],
)
def test_each_fault_has_its_id(settings, paths, found):
    assert ids(settings, paths) == found


def test_each_fault_says_what_would_help(settings):
    settings.RESULT_HANDLERS = ["batches.nowhere.Handler", f"{__name__}.Long"]

    assert all(message.hint for message in check_result_handlers())
