"""The example of an existing project: its own users, settings and pages stay."""

import re
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.conformance.client import Api, answer, envelope, jsonl, line
from tests.rig.process import ROOT
from tests.rig.stack import Site, Stack

pytestmark = pytest.mark.conformance

SHOP = Site(ROOT / "examples" / "existing_project", "shop", "/ai/v1")
EMAIL, PASSWORD = "eve@shop.example", "back-office-1"
KEY = r"sk-vb-[\w-]{43}"


@pytest.fixture(scope="module")
def shop() -> Iterator[Stack]:
    """The example's processes, started as its README says."""
    stack = Stack(SHOP, PYTHONPATH=str(ROOT), DJANGO_SUPERUSER_PASSWORD=PASSWORD)
    with stack.watched():
        stack.prepare()
        stack.manage("createsuperuser", "--noinput", "--email", EMAIL)
        stack.manage("load_models", "models.toml")
        stack.start_web()
        stack.start_worker()
        yield stack


@pytest.fixture(scope="module")
def key(shop: Stack) -> str:
    """A key from the command."""
    printed = shop.manage("create_api_key", "--project", "shop", "--name", "command")
    return printed.split()[-1]


@pytest.fixture
def api(shop: Stack, key: str) -> Iterator[Api]:
    """The API below the shop's path."""
    api = Api(shop.base_url, key)
    yield api
    api.http.close()
    api.client.close()


@pytest.fixture
def visitor(shop: Stack) -> Iterator[httpx.Client]:
    """A browser that nobody has logged in with."""
    address = shop.base_url.removesuffix(SHOP.api_path)
    with httpx.Client(base_url=address, trust_env=False, timeout=60) as browser:
        yield browser


@pytest.fixture
def superuser(visitor: httpx.Client) -> httpx.Client:
    """The shop's superuser in the back office."""
    form = {"username": EMAIL, "password": PASSWORD}
    assert send(visitor, "/back-office/login/", form).status_code == 302
    return visitor


def send(browser: httpx.Client, path: str, form: dict[str, str]) -> httpx.Response:
    """Get a form and send it, as a browser does."""
    page = browser.get(path).text
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert token is not None, page
    return browser.post(path, data={**form, "csrfmiddlewaretoken": token[1]})


def ask(shop: Stack, expression: str) -> str:
    """Return the value of an expression inside the shop."""
    script = f"from django.apps import apps; print({expression})"
    return shop.manage("shell", "--no-imports", "-c", script).strip()


def test_no_migration_is_missing(shop: Stack):
    assert "No changes" in shop.manage("makemigrations", "--check", "--dry-run")


def test_apps_of_the_same_name_live_side_by_side(shop: Stack):
    tables = "[apps.get_model(n)._meta.db_table for n in ('files.File', {})]"

    found = ask(shop, tables.format("'vllm_files.File'"))

    assert found == "['files_file', 'vllm_files_file']"


def test_a_batch_runs(api: Api):
    file = api.up(jsonl(line("a", "ECHO ä"), line("b", "ECHO two")))
    batch = api.wait(api.mk(file.id).id)

    records = api.union(batch, ["a", "b"])

    assert batch["status"] == "completed"
    assert {answer(record) for _, record in records.values()} == {"ä", "two"}
    content = api.client.files.content(batch["output_file_id"])
    assert len(content.text.splitlines()) == 2


def test_its_own_result_handler_keeps_the_answers(shop: Stack, api: Api):
    batch = api.run(line("a", "ECHO ä"), line("b", "HTTP 400"), line("c", "ECHO c"))
    rows = f"apps.get_model('answers.Answer').objects.filter(batch_id='{batch['id']}')"
    kept = f"sorted({rows}.values_list('custom_id', 'text'))"

    ends_at = time.monotonic() + 30
    while (found := ask(shop, kept)) == "[]" and time.monotonic() < ends_at:
        time.sleep(0.2)

    assert found == "[('a', 'ä'), ('c', 'c')]"
    shop.manage("replay_handlers", batch["id"])
    time.sleep(2)
    assert ask(shop, kept) == found


def test_its_result_handler_is_the_one_in_the_documentation():
    page = ROOT / "docs" / "how-to" / "write-a-result-handler.md"
    handler = SHOP.folder / "shop" / "answers" / "result_handlers.py"

    code = handler.read_text()

    assert f"```python\n{code}```" in page.read_text()
    assert len([text for text in code.splitlines() if text.strip()]) <= 15


def test_the_shops_page_size_and_throttle_do_not_reach_the_api(api: Api):
    files = [api.up(jsonl(line("a"))).id for _ in range(5)]

    listed = api.raw("GET", "/files", headers={"Accept": "text/html"}).json()

    assert [file["id"] for file in listed["data"]][:5] == files[::-1]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nope", 404),
        ("GET", "/files/", 404),
        ("POST", "/batches/", 404),
        ("GET", "/files/file-none", 404),
        ("PUT", "/batches", 405),
        ("POST", "/batches", 400),
    ],
)
def test_errors_below_the_path_are_envelopes(
    api: Api, method: str, path: str, status: int
):
    headers = {
        "Accept": "text/html",
        "Accept-Language": "de",
        "Content-Type": "application/json",
    }
    envelope(api.raw(method, path, headers=headers, content=b"{bad"), status)


def test_a_call_without_a_key_is_401_and_no_login_page(api: Api):
    envelope(api.raw("GET", "/files", key=None), 401, code="invalid_api_key")


def test_the_shops_session_does_not_open_the_api(superuser: httpx.Client):
    envelope(superuser.get("/ai/v1/files"), 401)


@pytest.mark.parametrize("path", ["/nope", "/v1/files", "/ai/v2/files"])
def test_unknown_pages_outside_are_the_shops(visitor: httpx.Client, path: str):
    response = visitor.get(path)

    assert response.status_code == 404
    assert "The shop has no such page" in response.text


def test_the_shops_own_api_keeps_its_settings(visitor: httpx.Client):
    response = visitor.get("/api/files/", headers={"Accept": "text/html"})

    assert response.status_code == 403
    assert response.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("path", "target"), [("/back-office", "/back-office/"), ("/", "/de/")]
)
def test_the_shops_redirects_stay(visitor: httpx.Client, path: str, target: str):
    response = visitor.get(path)

    assert response.is_redirect and response.headers["location"] == target


def test_the_admin_lists_keys(superuser: httpx.Client, api: Api):
    page = superuser.get("/back-office/vllm_accounts/apikey/")

    assert page.status_code == 200 and api.key[:14] in page.text
    assert "unfold" not in superuser.get("/back-office/").text


def test_a_key_made_in_the_admin_is_its_users_and_works(
    shop: Stack, superuser: httpx.Client
):
    project = ask(
        shop,
        "apps.get_model('vllm_accounts.Project').objects"
        ".get_or_create(name='admin')[0].pk",
    )
    form = {"project": project, "name": "by eve", "scopes": "models:read"}
    path = "/back-office/vllm_accounts/apikey/"

    send(superuser, f"{path}add/", form)

    shown = re.search(KEY, superuser.get(path).text)
    assert shown is not None
    headers = {"Authorization": f"Bearer {shown[0]}"}
    models = superuser.get("/ai/v1/models", headers=headers).json()
    assert [model["id"] for model in models["data"]] == ["stub"]
    key = "apps.get_model('vllm_accounts.ApiKey').objects.get(name='by eve')"
    owner = ask(shop, f"(u := {key}.created_by)._meta.label, u.email")
    assert owner == f"accounts.User {EMAIL}"
