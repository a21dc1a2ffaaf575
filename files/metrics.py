"""What files count."""

from prometheus_client import Counter

from files.models import File

UPLOADS = Counter("vllm_uploads", "Files that were uploaded.", ["purpose"])
UPLOAD_BYTES = Counter("vllm_upload_bytes", "Bytes of uploaded files.", ["purpose"])


def note_upload(file: File) -> None:
    """Count an uploaded file."""
    UPLOADS.labels(file.purpose).inc()
    UPLOAD_BYTES.labels(file.purpose).inc(file.bytes)
