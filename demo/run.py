"""`make demo`: one real batch, from the official client through vLLM and back."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any, Literal, NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from openai import APIConnectionError, OpenAI  # noqa: E402

from demo.processes import Processes  # noqa: E402
from demo.settings import (  # noqa: E402
    ROOT,
    DemoModel,
    choose_model,
    has_nvidia_gpu,
    prepare,
)

PORT = int(os.environ.get("PORT", "4080"))
URL = f"http://127.0.0.1:{PORT}"
ENDPOINT: Literal["/v1/chat/completions"] = "/v1/chat/completions"
MODELS = ROOT / "var" / "models"
SHOWN = 12
BAR = 30
START_SECONDS = 60


class Demo:
    """Everything `make demo` does, step by step."""

    def __init__(self) -> None:
        self.folder = Path(os.environ.get("DATA_DIR", ROOT / "var" / "demo"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.env = {**os.environ, "DATA_DIR": str(self.folder)}
        self.processes = Processes(self.env, self.folder)

    def run(self) -> None:
        """Do it all; stays until Ctrl-C where somebody can press it."""
        started = time.monotonic()
        refuse_taken_port()
        say("database", "SQLite, migrated")
        self.manage("migrate", "--noinput", "-v", "0")
        key = self.manage("create_api_key", "--project", "demo", "--name", "demo")
        model = self.prepare_model()
        self.start(model)
        client = OpenAI(api_key=key.split()[-1], base_url=f"{URL}/v1", max_retries=5)
        batch = self.run_batch(client, model)
        show(client, batch, self.folder)
        say("done", f"{time.monotonic() - started:.0f} s in all")
        self.say_what_next(key.split()[-1])
        if sys.stdin.isatty() and not os.environ.get("DEMO_EXIT"):
            signal.pause()

    def manage(self, *arguments: str, **env: str) -> str:
        """Run one of the project's commands."""
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        done = subprocess.run(
            command,
            env={**self.env, **env},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"{arguments[0]} failed:\n{done.stderr[-3000:]}")
        return done.stdout

    def prepare_model(self) -> DemoModel:
        """Make the model ready and tell the server about it."""
        wanted = os.environ.get("DEMO_MODEL", "")
        model = choose_model(wanted, MODELS, has_gpu=has_nvidia_gpu())
        say("model", f"{model.name} (made ready once, then kept)")
        prepare(model)
        path = self.folder / "models.toml"
        path.write_text(model.toml())
        self.manage("load_models", str(path))
        return model

    def start(self, model: DemoModel) -> None:
        """Start the web server and the worker."""
        self.processes.start(
            "server", sys.executable, "-m", "gunicorn", "vllm_batch.wsgi",
            "--chdir", str(ROOT), "--bind", f"127.0.0.1:{PORT}",
            "--config", str(ROOT / "vllm_batch" / "gunicorn.py"),
        )  # fmt: skip
        manage = str(ROOT / "manage.py")
        worker = [sys.executable, manage, "runworker", "--preload", model.name]
        self.processes.start("worker", *worker)
        say("started", f"server on {URL}, one worker; logs in {self.folder}")

    def run_batch(self, client: OpenAI, model: DemoModel) -> Any:
        """Upload the prompts, create the batch and follow it to its end."""
        file = self.upload(client, prompts_for(model.name))
        batch = client.batches.create(
            input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h"
        )
        say("batch", batch.id)
        while batch.status in ("validating", "in_progress", "finalizing"):
            self.processes.check()
            time.sleep(0.25)
            batch = client.batches.retrieve(batch.id)
            draw(progress(batch))
        draw(progress(batch), end="\n")
        if batch.status != "completed":
            raise SystemExit(f"The batch ended as {batch.status}: {batch.errors}")
        return batch

    def upload(self, client: OpenAI, prompts: bytes) -> Any:
        """Upload as soon as the server answers."""
        ends_at = time.monotonic() + START_SECONDS
        while True:
            self.processes.check()
            try:
                return client.files.create(
                    file=("prompts.jsonl", prompts), purpose="batch"
                )
            except APIConnectionError:
                if time.monotonic() > ends_at:
                    raise SystemExit(f"The server did not answer on {URL}.") from None
                time.sleep(0.2)

    def say_what_next(self, key: str) -> None:
        """Say how to go on from here."""
        password = self.make_admin()
        print(
            f"\nThe admin is at {URL}/admin/ (user admin, {password}).\n"
            "Go on with your own file:\n\n"
            f"  export OPENAI_BASE_URL={URL}/v1 OPENAI_API_KEY={key}\n\n"
            "and README.md: ten lines of Python, and how to serve your own model."
        )
        if sys.stdin.isatty():
            print("Ctrl-C stops the server and the worker.")

    def make_admin(self) -> str:
        """Make the admin's user the first time; return what to say of the password."""
        password = secrets.token_urlsafe(9)
        try:
            self.manage(
                "createsuperuser", "--noinput", "--username", "admin",
                "--email", "admin@localhost", DJANGO_SUPERUSER_PASSWORD=password,
            )  # fmt: skip
        except SystemExit:
            return "password shown the first time, or manage.py changepassword admin"
        return f"password {password}, shown only now"


def refuse_taken_port() -> None:
    """Stop if something else listens on the demo's port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PORT))
        except OSError:
            raise SystemExit(
                f"Port {PORT} is taken. Stop what listens there, or choose another:"
                " make demo PORT=4081"
            ) from None


def prompts_for(model: str) -> bytes:
    """Return the demo's batch file with the served model's name."""
    lines = (ROOT / "demo" / "prompts.jsonl").read_text().splitlines()
    requests = [json.loads(line) for line in lines]
    for request in requests:
        request["body"]["model"] = model
    return "".join(json.dumps(request) + "\n" for request in requests).encode()


def progress(batch: Any) -> str:
    """Return the progress bar of a batch."""
    counts = batch.request_counts
    done, total = counts.completed + counts.failed, counts.total
    if not total:
        return f"{batch.status} …"
    filled = BAR * done // total
    waiting = (
        " (loading the engine)" if batch.status == "in_progress" and not done else ""
    )
    return (
        f"[{'#' * filled}{'.' * (BAR - filled)}] {done}/{total} {batch.status}{waiting}"
    )


def draw(text: str, end: str = "") -> None:
    """Draw over the last line on a terminal; elsewhere print the end only."""
    if sys.stdout.isatty():
        print(f"\r\x1b[K  {text}", end=end, flush=True)
    elif end:
        print(f"  {text}", flush=True)


def show(client: OpenAI, batch: Any, folder: Path) -> None:
    """Download the answers and print some of them."""
    content = client.files.content(batch.output_file_id).text
    path = folder / "answers.jsonl"
    path.write_text(content)
    answers = {}
    for line in content.strip().split("\n"):
        record = json.loads(line)
        message = record["response"]["body"]["choices"][0]["message"]
        answers[record["custom_id"]] = (message["content"] or "").strip()
    requests = [json.loads(line) for line in prompts_for("").decode().splitlines()]
    print()
    for request in requests[:: max(1, len(requests) // SHOWN)]:
        messages = request["body"]["messages"]
        print(f"  {messages[0]['content']}  {messages[-1]['content']}")
        print(f"      → {answers.get(request['custom_id'], '(failed)')[:70]}")
    print()
    say("answers", f"{len(answers)} of {len(requests)}, all in {path}")
    usage = batch.usage
    if usage is not None:
        say("tokens", f"{usage.input_tokens} in, {usage.output_tokens} out")


def say(what: str, text: str) -> None:
    """Print one step."""
    print(f"{what:>10}  {text}", flush=True)


def stop(signum: int, frame: FrameType | None) -> NoReturn:
    """Leave by way of `finally`."""
    raise SystemExit(0 if signum == signal.SIGINT else 143)


def main() -> None:
    """Run the demo and leave nothing behind."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, stop)
    demo = Demo()
    try:
        demo.run()
    finally:
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, signal.SIG_IGN)
        say("stopping", "server and worker")
        demo.processes.stop()


if __name__ == "__main__":
    main()
