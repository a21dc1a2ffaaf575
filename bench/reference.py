"""What we are held against, each in a process of its own with a warm engine.

`python -m bench.reference run_batch|llm SOURCE`: reads file names, answers seconds.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.measure import Spent
from bench.processes import tree_cpu
from tests.rig.process import ROOT


class Reference:
    """The parent's side: start it, give it files, end it."""

    def __init__(self, kind: str, source: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.reference", kind, source],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self._answer()

    def run(self, path: Path) -> Spent:
        """Run a batch file and return what that took."""
        assert self._process.stdin is not None
        cpu = tree_cpu(self._process.pid)
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        seconds = float(self._answer())
        return Spent(seconds, tree_cpu(self._process.pid) - cpu)

    def _answer(self) -> str:
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        assert answer, "the reference process ended"
        return answer

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def run_batch_command(source: str, path: Path, output: Path) -> list[str]:
    """Return the command of vLLM's own batch runner, with its own defaults."""
    from bench.models import ENGINE_ARGS

    module = "vllm.entrypoints.launchers.run_batch"
    memory = str(ENGINE_ARGS["gpu_memory_utilization"])
    flags = ["--model", source, "--served-model-name", "bench", "--enforce-eager"]
    flags += ["--max-model-len", str(ENGINE_ARGS["max_model_len"])]
    flags += ["--gpu-memory-utilization", memory]
    return [sys.executable, "-m", module, "-i", str(path), "-o", str(output), *flags]


async def _serve_run_batch(source: str, answers: Any) -> None:
    from vllm.entrypoints.launchers.api_server.entry import build_async_engine_client
    from vllm.entrypoints.launchers.run_batch import make_arg_parser, run_batch
    from vllm.usage.usage_lib import UsageContext
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    from bench.models import ENGINE_ARGS
    from workers.engines.vllm import flags_of

    with tempfile.TemporaryDirectory() as folder:
        flags = ["-i", "-", "-o", f"{folder}/out", "--model", source]
        flags += ["--served-model-name", "bench", "--disable-log-stats"]
        parser = make_arg_parser(FlexibleArgumentParser())
        args = parser.parse_args([*flags, *flags_of(ENGINE_ARGS)])
        context = UsageContext.OPENAI_BATCH_RUNNER
        async with build_async_engine_client(args, usage_context=context) as client:
            answers.write("ready\n")
            while path := (await asyncio.to_thread(sys.stdin.readline)).strip():
                args.input_file = path
                start = time.perf_counter()
                await run_batch(client, args)
                answers.write(f"{time.perf_counter() - start}\n")


def _serve_llm(source: str, answers: Any) -> None:
    from vllm import LLM, SamplingParams

    from bench.models import ENGINE_ARGS

    llm = LLM(source, **ENGINE_ARGS)
    answers.write("ready\n")
    while path := sys.stdin.readline().strip():
        texts = Path(path).read_bytes().splitlines()
        bodies = [json.loads(text)["body"] for text in texts]
        params = [
            SamplingParams(temperature=0, max_tokens=b["max_tokens"], ignore_eos=True)
            for b in bodies
        ]
        messages = [body["messages"] for body in bodies]
        start = time.perf_counter()
        found = llm.chat(messages, params, use_tqdm=False)
        answers.write(f"{time.perf_counter() - start}\n")
        assert len(found) == len(bodies)


def main() -> None:
    """Serve until standard input ends; vLLM may print as it likes."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    kind, source = sys.argv[1:]
    if kind == "llm":
        _serve_llm(source, answers)
    else:
        asyncio.run(_serve_run_batch(source, answers))


if __name__ == "__main__":
    main()
