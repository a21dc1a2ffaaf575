"""How a file is cut into chunks, and how a chunk's lines are read back."""

import io
import json
from typing import Any

import pytest

from batches.ingest import ingest
from batches.lines import InputLine, is_done, mark_done, open_input, pending_lines
from batches.models import BatchJob, Chunk
from files import actions
from files.models import File
from tests.factories import jsonl, line, lines, make_batch, make_model
from vllm_batch.lib.jsonl import read_lines

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def models(configure: Any) -> None:
    configure(BATCH_CHUNK_LINES=3, BATCH_ALLOW_MIXED_MODELS=True)
    make_model("stub")
    make_model("stub-2")


def plan(*items: Any) -> tuple[BatchJob, list[Chunk]]:
    batch = make_batch(*items)
    ingest(batch, lambda: None)
    assert batch.status == "in_progress", batch.errors
    return batch, list(batch.chunks.order_by("index"))


def read(chunk: Chunk) -> list[InputLine]:
    with open_input(chunk.batch) as stream:
        return list(pending_lines(stream, chunk, is_mixed=chunk.batch.is_mixed))


@pytest.mark.parametrize(
    ("total", "counts"), [(1, [1]), (2, [2]), (3, [3]), (4, [3, 1]), (7, [3, 3, 1])]
)
def test_a_chunk_is_cut_after_so_many_lines(total, counts):
    batch, chunks = plan(*lines(total))

    assert [chunk.line_count for chunk in chunks] == counts
    assert [chunk.index for chunk in chunks] == list(range(len(counts)))
    assert batch.total == total


def test_the_bytes_of_the_chunks_are_the_file():
    items = lines(7)
    content = jsonl(*items)

    _, chunks = plan(*items)

    parts = [content[c.first_byte : c.first_byte + c.byte_count] for c in chunks]
    assert b"".join(parts) == content


def test_every_line_is_read_back_once_and_exactly():
    items = [line(f"ü{n}", f"text \u2028 {n}", seed=n) for n in range(7)]

    _, chunks = plan(*items)

    found = [read_line for chunk in chunks for read_line in read(chunk)]
    assert [json.loads(each.custom_id) for each in found] == [f"ü{n}" for n in range(7)]
    assert [each.body for each in found] == [
        json.dumps(item["body"]).encode() for item in items
    ]


def test_the_clients_own_bytes_reach_the_engine():
    body = b'{ "model":"stub" ,"messages":[],"x":1.10,"x":2e0,"y":"\\u0041" }'
    raw = b'{"custom_id":"\\u0061","method":"POST","url":"/v1/chat/completions","body":'

    _, chunks = plan(raw + body + b"}")

    assert read(chunks[0]) == [InputLine(1, b'"\\u0061"', body)]


def test_blank_lines_are_skipped_but_numbered():
    a, b, c, d = lines(4)

    batch, chunks = plan("", a, " \t\r", b, "", c, "", "", d, "")

    assert batch.total == 4
    numbers = [[each.number for each in read(chunk)] for chunk in chunks]
    assert numbers == [[2, 4, 6], [9]]
    assert [(chunk.first_line, chunk.span) for chunk in chunks] == [(2, 5), (9, 1)]


def test_a_byte_order_mark_and_carriage_returns_are_no_part_of_a_line():
    first, second = (json.dumps(item).encode() for item in lines(2))

    _, chunks = plan(b"\xef\xbb\xbf" + first + b"\r", second + b"\r")

    assert [each.number for each in read(chunks[0])] == [1, 2]


def test_the_last_line_needs_no_newline():
    content = jsonl(*lines(2)).rstrip(b"\n")

    _, chunks = plan(content)

    assert [chunk.line_count for chunk in chunks] == [2]


def test_lines_with_a_result_are_not_read_again():
    _, chunks = plan(*lines(3))
    done = bytearray(chunks[0].done)
    mark_done(done, 1)
    chunks[0].done = bytes(done)

    assert [each.number for each in read(chunks[0])] == [1, 3]


@pytest.mark.parametrize("position", [0, 7, 8, 17])
def test_the_bitmap_notes_one_line(position):
    bitmap = bytearray(3)

    mark_done(bitmap, position)

    assert [n for n in range(24) if is_done(bitmap, n)] == [position]


def test_several_models_make_a_chunk_each_over_the_same_lines():
    items = [line(f"{n}", model=["stub", "stub-2"][n % 2]) for n in range(5)]

    batch, chunks = plan(*items)

    assert batch.is_mixed and batch.model is None
    found = [(c.model, c.first_line, c.span, c.line_count) for c in chunks]
    assert found == [
        ("stub", 1, 3, 2),
        ("stub-2", 1, 3, 1),
        ("stub-2", 4, 2, 1),
        ("stub", 4, 2, 1),
    ]


def test_each_models_chunk_reads_its_own_lines():
    items = [line(f"{n}", model=["stub", "stub-2"][n % 2]) for n in range(5)]

    _, chunks = plan(*items)

    numbers = [[each.number for each in read(chunk)] for chunk in chunks]
    assert numbers == [[1, 3], [2], [4], [5]]


def test_one_model_is_noted_on_the_batch():
    batch, chunks = plan(*lines(2, model="stub-2"))

    assert batch.model == "stub-2" and not batch.is_mixed
    assert chunks[0].model == "stub-2"


def test_an_input_can_be_read_after_it_was_deleted():
    batch, chunks = plan(*lines(1))
    actions.delete(File.objects.get(pk=batch.input_file_id))

    assert len(read(chunks[0])) == 1


def test_a_line_knows_its_place_in_the_file():
    found = list(read_lines(io.BytesIO(b"ab\n\ncd"), 100))

    assert [(each.number, each.offset, each.length) for each in found] == [
        (1, 0, 3),
        (2, 3, 1),
        (3, 4, 2),
    ]


def test_only_the_newline_byte_ends_a_line():
    content = "a\u2028b\u2029c\x85d\x0be\x0cf\rg".encode()

    assert [each.content for each in read_lines(io.BytesIO(content), 100)] == [content]


def test_a_line_without_end_is_cut_off_and_its_rest_is_skipped():
    found = list(read_lines(io.BytesIO(b"x" * 5_000_000 + b"\nb\n"), 10))

    assert [len(each.content) for each in found] == [12, 1]
    assert (found[1].number, found[1].offset) == (2, 5_000_001)
