"""A JSON parser that no body can crash, and that is strict (RFC 8259)."""

import json
from typing import IO, Any, NoReturn

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from vllm_batch.lib.errors import ApiError

LARGEST_BODY_BYTES = 1 << 20


class TooLarge(ApiError):
    """The body is larger than any request of this API needs (413)."""

    status_code = 413


class StrictJSONParser(BaseParser):
    """Parses a small JSON body; anything else is a clear 4xx."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Any = None,
    ) -> Any:
        """Return the parsed body; raises ParseError or TooLarge."""
        content = stream.read(LARGEST_BODY_BYTES + 1)
        if len(content) > LARGEST_BODY_BYTES:
            raise TooLarge(
                f"The request body is larger than {LARGEST_BODY_BYTES} bytes."
            )
        try:
            return json.loads(content.decode("utf-8"), parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise ParseError from error


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
