"""G16: a file's content by the API, against the same file by the same web server."""

from urllib.parse import quote

from bench.measure import cpus, interleave, ratio, walls
from bench.options import Options
from bench.report import Report
from bench.site import BLOCK, Client, stack


def run(options: Options) -> Report:
    """Compare with a Django view that only opens the file."""
    with stack() as site:
        site.start_web()
        client = Client(site)
        path = site.folder / "in.jsonl"
        blocks = options.size(190, 16)
        path.write_bytes((b"x" * (BLOCK - 1) + b"\n") * blocks)
        file_id = client.upload(path)
        raw = f"/raw?path={quote(str(path))}"

        def ours() -> None:
            assert client.download(file_id) == path.stat().st_size

        def plain() -> None:
            assert client.read(raw) == path.stat().st_size

        taken, reference = interleave(ours, plain, 2 * options.pairs)
    report = Report(f"download of {blocks} MiB")
    report.add(
        "G16",
        "MB/s by the API / by a plain FileResponse",
        ratio(walls(reference), walls(taken)),
        at_least=0.8,
        detail=f"{1.048576 * blocks / min(walls(taken)):.0f} MB/s at best; the client"
        f" itself used {max(cpus(taken)):.2f} s CPU",
    )
    return report
