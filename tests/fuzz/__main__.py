"""Search for bytes that break a promise of `targets.py`, led by coverage (atheris).

`python -m tests.fuzz SECONDS` gives each target so many seconds, one after the other.
FUZZ_CORPUS names a folder for what was found on the way, which the next run goes on
from. Ends with status 1 and shows the bytes if a target raised, hung or ate memory.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

SEEDS = Path(__file__).with_name("seeds")
NAMES = ("lines", "line", "form", "name", "order", "header")
# What is instrumented: our parsers and what they lead to. The stars are their modules.
INSTRUMENTED = ["vllm_batch", "batches", "files", "django.http", "django.utils.http"]
HANG_SECONDS, MOST_MB, LONGEST_INPUT = 10, 2048, 4096


def main(seconds: int) -> int:
    """Fuzz each target in a process of its own."""
    kept = os.environ.get("FUZZ_CORPUS", "")
    with tempfile.TemporaryDirectory(prefix="fuzz.") as folder:
        corpus = Path(kept or folder)
        broken = [name for name in NAMES if not _run(name, seconds, corpus)]
    return int(bool(broken))


def _run(name: str, seconds: int, corpus: Path) -> bool:
    found, artifacts = corpus / name, corpus / f"{name}.broken"
    for folder in (found, artifacts):
        folder.mkdir(parents=True, exist_ok=True)
    before = set(artifacts.iterdir())
    command = [
        sys.executable, "-m", "tests.fuzz", "--target", name,
        f"-max_total_time={seconds}", f"-timeout={HANG_SECONDS}",
        f"-rss_limit_mb={MOST_MB}", f"-max_len={LONGEST_INPUT}",
        f"-artifact_prefix={artifacts}/", str(found), str(SEEDS / name),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    log = done.stderr.splitlines()
    last = [line for line in log if line.startswith(("Done", "#"))][-1:]
    is_well = done.returncode == 0
    print(f"{name}: {'ok' if is_well else 'BROKEN'} {''.join(last)}", flush=True)
    if not is_well:
        print(done.stdout[-3000:] + "\n".join(log[-5:]))
        for path in set(artifacts.iterdir()) - before:
            print(f"{path.name}: {path.read_bytes()!r}")
    return is_well


def fuzz(name: str, arguments: list[str]) -> None:
    """Fuzz one target in this process, which libFuzzer ends."""
    import atheris

    with atheris.instrument_imports(include=INSTRUMENTED):
        import django

        django.setup()
        from tests.fuzz.targets import TARGETS
    atheris.Setup([sys.argv[0], *arguments], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--target"]:
        fuzz(sys.argv[2], sys.argv[3:])
    else:
        sys.exit(main(int(sys.argv[1])))
