"""What botocore's errors mean to the rest of the product, which knows OSError only."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from files.stores.health import Health
from vllm_batch.lib.errors import StorageAway

# A HEAD's answer has no body: its code is the HTTP status.
_MISSING = ("404", "NoSuchKey", "NotFound")
_TAKEN = ("412", "PreconditionFailed")
_NO_UPLOAD = "NoSuchUpload"
_FULL = 507


class UploadGone(OSError):
    """The multipart upload is over: completed by an earlier try, or aborted."""


@contextmanager
def speaking(health: Health, key: str = "") -> Iterator[None]:
    """Turn what the store says into OSErrors, and note whether it answers.

    Raises FileNotFoundError, FileExistsError, UploadGone and StorageAway. The latter's
    text is shown to clients: it holds no address and no key.
    """
    try:
        yield
    except ClientError as error:
        found = _meaning(error, key)
        health.note(str(found) if isinstance(found, StorageAway) else "")
        raise found from error
    except (BotoCoreError, HTTPError, ConnectionError) as error:
        away = StorageAway(f"the object store does not answer ({type(error).__name__})")
        health.note(str(away))
        raise away from error
    else:
        health.note("")


def _meaning(error: ClientError, key: str) -> OSError:
    code = str(error.response.get("Error", {}).get("Code", "unknown"))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if code in _MISSING:
        return FileNotFoundError(errno.ENOENT, "there is no such object", key)
    if code in _TAKEN:
        return FileExistsError(errno.EEXIST, "there is such an object already", key)
    if code == _NO_UPLOAD:
        return UploadGone(f"the upload of {key} is over")
    away = StorageAway(f"the object store refuses ({code})")
    if status == _FULL:
        away.errno = errno.ENOSPC
    return away
