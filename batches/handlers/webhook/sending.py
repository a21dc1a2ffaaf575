"""One HTTP POST to an address that was checked, with an end to everything."""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from batches.handlers.webhook.targets import Target, check_url, resolve
from vllm_batch import __version__

TOTAL_SECONDS = 15.0
READ_BYTES = 16_384
USER_AGENT = f"vllm-batch/{__version__} (webhooks)"
LONGEST_RETRY_AFTER = 86_400.0
CUT_EARLY_SECONDS = 0.05


class NoAnswer(Exception):
    """There was no HTTP answer; the text says why, without a word of the answer."""


@dataclass(frozen=True)
class Reply:
    """What a receiver answered."""

    status: int
    # Seconds it asks us to wait, if it does.
    retry_after: float | None = None

    @property
    def is_success(self) -> bool:
        """Tell whether the event is delivered; a redirect is not followed."""
        return 200 <= self.status < 300


def post(
    url: str, body: bytes, headers: dict[str, str], seconds: float = TOTAL_SECONDS
) -> Reply:
    """Send a JSON body; raises NoAnswer, and UnsafeUrl if the URL may not be used."""
    ends_at = time.monotonic() + seconds
    target = check_url(url)
    sent = {
        "Host": target.authority,
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "Connection": "close",
        **headers,
    }
    try:
        with _connected(target, resolve(target), ends_at) as link:
            link.request("POST", target.path, body, sent)
            return _reply(link.getresponse())
    except (OSError, http.client.HTTPException) as error:
        if time.monotonic() >= ends_at - CUT_EARLY_SECONDS:
            raise NoAnswer(f"it did not answer within {seconds:g} s") from None
        raise NoAnswer(_reason(error)) from None


def _reason(error: OSError | http.client.HTTPException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {error.verify_message}"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return f"it did not answer in HTTP ({type(error).__name__})"


@contextmanager
def _connected(
    target: Target, addresses: list[str], ends_at: float
) -> Iterator[http.client.HTTPConnection]:
    """Connect to the first address that answers; cut the line when time is up."""
    line = [_connect(addresses, target.port, ends_at)]
    # A timeout holds for one read, and a receiver may send a byte a second for ever.
    cutter = threading.Timer(max(0.0, ends_at - time.monotonic()), _cut, [line])
    cutter.daemon = True
    cutter.start()
    link = http.client.HTTPConnection(target.host, target.port)
    try:
        if target.scheme == "https":
            line[0] = _with_tls(line[0], target.host)
        link.sock = line[0]
        yield link
    finally:
        cutter.cancel()
        link.close()
        line[0].close()


def _with_tls(raw: socket.socket, host: str) -> ssl.SSLSocket:
    """Shake hands as a client that wants `host`; the socket's timeout holds."""
    return ssl.create_default_context().wrap_socket(raw, server_hostname=host)


def _connect(addresses: list[str], port: int, ends_at: float) -> socket.socket:
    failure: OSError = TimeoutError("no time is left")
    for address in addresses:
        left = ends_at - time.monotonic()
        if left <= 0:
            break
        try:
            return socket.create_connection((address, port), timeout=left)
        except OSError as error:
            failure = error
    raise failure


def _cut(line: list[socket.socket]) -> None:
    with suppress(OSError):
        # Not SSLSocket's own, which forgets the key the other thread is reading with.
        socket.socket.shutdown(line[0], socket.SHUT_RDWR)


def _reply(response: http.client.HTTPResponse) -> Reply:
    # Read a little, so that the receiver can end in peace; its words are not needed.
    with suppress(OSError, http.client.HTTPException):
        response.read(READ_BYTES)
    return Reply(response.status, _retry_after(response.headers.get("Retry-After")))


def _retry_after(text: str | None) -> float | None:
    """Read seconds or a date; None for anything else."""
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    wait = (moment - datetime.now(UTC)).total_seconds()
    return min(max(wait, 0.0), LONGEST_RETRY_AFTER)
