"""Equal lines run once where their answers cannot differ; order and fairness."""

import json
from typing import Any

import pytest

from batches.ordering import Traits, target_url
from tests.factories import EMBEDDINGS, line, make_running_batch
from tests.workers.runs import Hooked, end, records, run
from tests.workers.servers import stub_engine
from workers.engines.stub import StubEngine
from workers.running import feeding

pytestmark = pytest.mark.django_db(transaction=True)
CHAT = "/v1/chat/completions"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, configure: Any) -> None:
    monkeypatch.setattr(feeding, "LINGER_SECONDS", 0.0)
    monkeypatch.setattr(feeding, "POLL_SECONDS", 0.01)
    configure(WORKER_SEGMENT_SECONDS=0.02, BATCH_CHUNK_LINES=16)


def same(count: int, content: str, **body: Any) -> list[dict[str, Any]]:
    return [line(f"{content}-{n}", content, **body) for n in range(count)]


def calls(engine: Any) -> dict[str, int]:
    assert isinstance(engine, StubEngine)
    return dict(engine.answers.calls)


def test_equal_deterministic_lines_run_once():
    items = same(40, "SLEEP 0.01 a", temperature=0) + same(3, "ECHO b", temperature=0)
    batch, engine = make_running_batch(*items), stub_engine()

    run(engine)

    assert calls(engine) == {"SLEEP 0.01 a": 1, "ECHO b": 1}
    end(batch)
    assert (batch.completed, batch.folded) == (43, 41)
    assert len(records(batch.output_file_id)) == 43


def test_tokens_are_counted_only_where_they_were_spent():
    batch = make_running_batch(*same(10, "ECHO a", temperature=0))

    run(stub_engine())

    end(batch)
    assert (batch.input_tokens, batch.output_tokens) == (7, 3)


def test_each_folded_line_has_its_own_ids():
    batch = make_running_batch(*same(5, "ECHO a", temperature=0))

    run(stub_engine())

    found = records(end(batch).output_file_id).values()
    assert len({record["id"] for record in found}) == 5
    assert len({record["response"]["request_id"] for record in found}) == 5


@pytest.mark.parametrize(
    "body", [{}, {"temperature": 0.7}, {"temperature": 0, "n": 2}, {"temperature": "0"}]
)
def test_lines_whose_answers_may_differ_all_run(body):
    batch, engine = make_running_batch(*same(4, "ECHO a", **body)), stub_engine()

    run(engine)

    assert calls(engine) == {"ECHO a": 4}
    assert end(batch).folded == 0


def test_embeddings_of_equal_texts_are_made_once():
    items = same(4, "ECHO a", url=EMBEDDINGS)
    batch, engine = make_running_batch(*items, endpoint=EMBEDDINGS), stub_engine()

    run(engine)

    assert calls(engine) == {"ECHO a": 1} and end(batch).folded == 3


def test_a_failure_is_not_shared():
    batch = make_running_batch(*same(3, "HTTP 400", temperature=0))
    engine = stub_engine()

    run(engine)

    assert calls(engine) == {"HTTP 400": 3}
    assert (end(batch).failed, batch.folded) == (3, 0)


def test_folding_can_be_switched_off(configure):
    configure(BATCH_FOLD_DUPLICATES=False)
    batch, engine = make_running_batch(*same(3, "ECHO a", temperature=0)), stub_engine()

    run(engine)

    assert calls(engine) == {"ECHO a": 3} and end(batch).folded == 0


def test_equal_lines_of_two_batches_each_run():
    make_running_batch(*same(2, "ECHO a", temperature=0))
    make_running_batch(*same(2, "ECHO a", temperature=0))
    engine = stub_engine()

    run(engine)

    assert calls(engine) == {"ECHO a": 2}


def test_a_small_batch_does_not_wait_for_a_large_one():
    large = make_running_batch(
        *[line(f"l{n}", f"SLEEP 0.002 l{n}") for n in range(400)]
    )
    small = make_running_batch(*[line(f"s{n}", f"ECHO s{n}") for n in range(10)])
    seen: list[str] = []

    class Noting(StubEngine):
        async def post(self, url: str, body: bytes) -> Any:
            seen.append(json.loads(body)["messages"][-1]["content"])
            return await super().post(url, body)

    run(Noting(model="stub", source="", engine_args={"concurrency": 4}))

    last = max(number for number, text in enumerate(seen) if "ECHO s" in text)
    assert end(small).completed == 10 and end(large).completed == 400
    assert last < 120, " ".join(t.split()[-1] for t in seen[:60] + seen[-20:])


def test_lines_that_start_alike_follow_each_other():
    starts = ["A" * 2000, "B" * 2000, "C" * 2000]
    items = [line(f"{n}", f"{starts[n % 3]} {n}") for n in range(12)]
    make_running_batch(*items)
    seen: list[str] = []
    engine = Hooked(lambda number: None, concurrency=1)
    answer = engine.answers.answer

    async def noted(url: str, body: bytes) -> Any:
        seen.append(json.loads(body)["messages"][-1]["content"][0])
        return await answer(url, body)

    engine.answers.answer = noted  # type: ignore[method-assign]

    run(engine)

    assert seen == ["A"] * 4 + ["B"] * 4 + ["C"] * 4


def sort_key(**body: Any) -> tuple[bytes, int, bytes]:
    return Traits(CHAT, json.dumps(body).encode(), fold=True).sort_key


def test_in_a_group_the_longest_answer_goes_first():
    start = [{"role": "system", "content": "x" * 2000}]
    short = sort_key(messages=[*start, {"content": "a"}], max_tokens=5)
    long = sort_key(messages=[*start, {"content": "b"}], max_completion_tokens=50)

    assert long < short


@pytest.mark.parametrize("body", [b"{}", b"{", b'{"max_tokens":"x"}', b"[]", b"\xff"])
def test_an_odd_body_is_no_trouble(body):
    traits = Traits(CHAT, body, fold=True)

    assert traits.sort_key == (b"", 0, b"") and traits.fold_key == b""


@pytest.mark.parametrize(
    ("endpoint", "body", "url"),
    [
        ("/v1/score", {"query": "a", "documents": ["b"]}, "/v1/rerank"),
        ("/v1/score", {"text_1": "a", "text_2": "b"}, "/v1/score"),
        ("/v1/score", {"queries": "a", "documents": ["b"]}, "/v1/score"),
        ("/v1/score", {"query": "a", "queries": "a", "documents": []}, "/v1/score"),
        (CHAT, {"query": "a", "documents": ["b"]}, CHAT),
    ],
)
def test_rerank_lines_sent_to_score_are_reranked(endpoint, body, url):
    assert target_url(endpoint, json.dumps(body).encode()) == url
