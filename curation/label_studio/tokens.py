"""Label Studio's two kinds of token.

A legacy token is sent as it is. A personal access token is a *refresh* token: it is
exchanged for an access token that lives for minutes; sent itself, it is refused.
"""

from collections.abc import Callable

from requests import PreparedRequest
from requests.auth import AuthBase


class LegacyToken(AuthBase):
    """Forty hexadecimal digits, where the organization allows them."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Sign a request."""
        request.headers["Authorization"] = f"Token {self._token}"
        return request

    def renew(self) -> bool:
        """Return False: there is nothing to exchange."""
        return False


class PersonalToken(AuthBase):
    """A personal access token; `exchange` turns it into an access token."""

    def __init__(self, exchange: Callable[[], str]) -> None:
        self._exchange = exchange
        self._access = ""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Sign a request, with a new access token if there is none."""
        if not self._access:
            self._access = self._exchange()
        request.headers["Authorization"] = f"Bearer {self._access}"
        return request

    def renew(self) -> bool:
        """Drop the access token, so that the next request gets another one."""
        self._access = ""
        return True


def is_personal(token: str) -> bool:
    """Tell a personal access token, which is a JWT, from a legacy one."""
    return token.count(".") == 2
