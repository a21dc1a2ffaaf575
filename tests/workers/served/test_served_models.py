"""What a served model says of itself: adapters, template, limits, licence."""

import hashlib
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.factories import make_client, make_model
from workers.models import ServedModel
from workers.served.arguments import arguments_of, keep_template

pytestmark = pytest.mark.django_db
MODELS = "/admin/vllm_workers/servedmodel/"
TEMPLATE = "{% for m in messages %}{{ m['content'] }}\n{% endfor %}"
WHOLE = """
[[model]]
name = "base"
source = "org/base"
revision = "abc123"
quantization = "fp8"
chat_template_file = "chat.jinja"
lora_adapters = [
  {name = "support", source = "/adapters/support"},
  {name = "legal", source = "org/legal-lora"},
]
licence = "Apache-2.0"
may_train_others = "yes"
[model.engine_args]
max_model_len = 4096
[model.request_limits]
max_n = 4
allow_chat_template = true
"""


def load(folder: Path, text: str) -> ServedModel:
    """Load a models file and return its first model."""
    path = folder / "models.toml"
    path.write_text(text)
    call_command("load_models", str(path), stdout=StringIO())
    return ServedModel.objects.earliest("pk")


@pytest.fixture
def whole(tmp_path: Path, configure: Any) -> ServedModel:
    """A model with every detail."""
    configure(DATA_DIR=tmp_path)
    (tmp_path / "chat.jinja").write_text(TEMPLATE)
    return load(tmp_path, WHOLE)


def test_the_command_takes_every_detail(whole):
    assert (whole.revision, whole.quantization) == ("abc123", "fp8")
    assert whole.chat_template == TEMPLATE and whole.request_limits["max_n"] == 4
    assert (whole.licence, whole.may_train_others) == ("Apache-2.0", "yes")
    assert whole.names == ["base", "support", "legal"]


def test_keys_left_out_go_back_to_their_defaults(whole, tmp_path):
    model = load(tmp_path, '[[model]]\nname = "base"\nsource = "org/base"')

    assert (model.revision, model.chat_template, model.lora_adapters) == ("", "", [])
    assert (model.request_limits, model.may_train_others) == ({}, "unknown")


def test_the_engine_gets_it_in_vllms_words(whole, tmp_path):
    digest = hashlib.sha256(TEMPLATE.encode()).hexdigest()
    keep_template(whole)

    found = arguments_of(whole)

    path = tmp_path / "chat_templates" / f"{digest}.jinja"
    assert path.read_text() == TEMPLATE
    assert found == {
        "revision": "abc123",
        "quantization": "fp8",
        "chat_template": str(path),
        "enable_lora": True,
        "max_loras": 2,
        "lora_modules": [
            {"name": "support", "path": "/adapters/support"},
            {"name": "legal", "path": "org/legal-lora"},
        ],
        "trust_request_chat_template": True,
        "max_model_len": 4096,
    }


def test_a_plain_model_adds_nothing_to_its_arguments():
    assert arguments_of(make_model(engine_args={"a": 1})) == {"a": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lora_adapters = 5", "lora_adapters: Write a JSON list"),
        ("lora_adapters = [5]", "lora_adapters: Write a JSON list"),
        ("lora_adapters = [{}]", "lacks its name"),
        ('lora_adapters = [{name = "x"}]', "x lacks its source"),
        ('lora_adapters = [{name = "x", source = "y", z = 1}]', "only a name and"),
        ('lora_adapters = [{name = "m", source = "y"}]', "The name m is taken"),
        ('lora_adapters = [{name = "other", source = "y"}]', "name other is taken"),
        (
            'lora_adapters = [{name = "x", source = "y"}, {name = "x", source = "z"}]',
            "The name x is taken",
        ),
        (
            'lora_adapters = [{name = "x", source = "y"}]\n'
            "engine_args = {enable_lora = true}",
            "in one place",
        ),
        ("request_limits = {max_n = -1}", "request_limits: max_n is a whole"),
        ("request_limits = {colour = 1}", "is no limit"),
        ("request_limits = []", "request_limits: Write a JSON object"),
        ('may_train_others = "perhaps"', "not a valid choice"),
        ('revision = "a"\nengine_args = {revision = "b"}', "revision: engine_args set"),
        ('engine = "openai_http"\nchat_template = "x"', "its servers decide"),
        ('engine = "openai_http"\nquantization = "x"', "its servers decide"),
        ('chat_template_file = "nope.jinja"', "nope.jinja could not be read"),
        ("chat_template_file = 5", "write chat_template, or"),
        ('chat_template = "a"\nchat_template_file = "b"', "write chat_template, or"),
    ],
)
def test_a_model_that_makes_no_sense_is_refused(tmp_path, text, message):
    make_model("other")
    with pytest.raises(CommandError, match=message):
        load(tmp_path, f'[[model]]\nname = "m"\n{text}')


def test_a_model_cannot_take_an_adapters_name(whole, tmp_path):
    with pytest.raises(CommandError, match="name: The name support is taken"):
        load(tmp_path, '[[model]]\nname = "support"\nsource = "x"')


def test_a_fleet_may_name_adapters_its_servers_have(tmp_path):
    adapters = 'engine = "openai_http"\nlora_adapters = [{name = "x"}]'
    assert load(tmp_path, f'[[model]]\nname = "m"\n{adapters}').names == ["m", "x"]


def test_the_api_lists_adapters_beside_their_base(whole):
    client = make_client()

    data = client.get("/v1/models").json()["data"]

    assert [model["id"] for model in data] == ["base", "support", "legal"]
    assert client.get("/v1/models/legal").json()["id"] == "legal"


def test_adapters_of_a_model_that_is_off_are_not_served():
    make_model(is_enabled=False, lora_adapters=[{"name": "x"}])
    assert make_client().get("/v1/models/x").status_code == 404


def test_enabling_a_model_forgets_why_it_was_off(tmp_path):
    make_model("m", is_enabled=False, disabled_reason="it did not load")
    assert load(tmp_path, '[[model]]\nname = "m"').disabled_reason == ""


def test_the_admin_page_saves_every_detail(admin_client, whole):
    page = f"{MODELS}{whole.pk}/change/"
    form = {
        "name": "base",
        "engine": "vllm",
        "source": "org/base",
        "engine_args": "{}",
        "endpoints": "[]",
        "lora_adapters": '[{"name": "support", "source": "/a"}]',
        "request_limits": '{"max_stop": 4}',
        "may_train_others": "no",
        "is_enabled": "on",
    }

    answer = admin_client.post(page, form)

    whole.refresh_from_db()
    assert answer.status_code == 302 and whole.request_limits == {"max_stop": 4}
    assert (whole.names, whole.may_train_others) == (["base", "support"], "no")


def test_the_admin_page_says_what_is_wrong(admin_client, whole):
    form = {"name": "base", "engine": "vllm", "request_limits": '{"max_m": 4}'}

    page = admin_client.post(f"{MODELS}{whole.pk}/change/", form).content.decode()

    assert "is no limit. Known: max_n" in page
