"""How much a batch file's validation and planning cost beside merely parsing it."""

import io
import json

from batches.models import BatchJob
from batches.offers import Offer
from batches.planning import Planner
from batches.validation import LineValidator
from bench.measure import interleave, ratio, walls
from bench.options import Options
from bench.report import Report
from bench.workloads import chat_lines
from vllm_batch.lib.jsonl import read_lines

LINES = 50_000
LINE_BYTES = 1 << 24


def run(options: Options) -> Report:
    """Compare with one `json.loads` pass over the same lines."""
    count = options.size(LINES, 5_000)
    content = b"".join(chat_lines(count, model="m"))

    def ours() -> None:
        validator = LineValidator(
            "/v1/chat/completions",
            {"m": Offer()},
            allow_mixed_models=False,
            max_line_bytes=LINE_BYTES,
        )
        planner = Planner(BatchJob(), 1024)
        for line in read_lines(io.BytesIO(content), LINE_BYTES):
            model, faults = validator.check(line)
            assert not faults
            planner.add(line, model)
        planner.cut()
        assert sum(chunk.line_count for chunk in planner.chunks) == count

    def parsing() -> None:
        for line in io.BytesIO(content):
            json.loads(line)

    taken, reference = interleave(ours, parsing, options.pairs)
    report = Report(f"validation of {count:,} lines")
    report.add(
        "V",
        "validate and plan / one json.loads pass",
        ratio(walls(taken), walls(reference)),
        at_most=1.5,
        detail=f"{len(content) / 1e6:.0f} MB in {min(walls(taken)):.2f} s at best",
    )
    return report
