"""Content-Type as Django can read it, which otherwise some of them crash.

Django reads the header while it makes the request, before any middleware: what its
parser raises would be a 500. RFC 2231 lets a parameter name its encoding
(`a*=name''%41`), and `charset` may name any of Python's codecs: base64, say, or idna.
"""

import codecs

from django.utils.http import parse_header_parameters

# What decodes any query string; all we read is UTF-8.
_CHARSETS = frozenset({"utf-8", "ascii", "iso8859-1"})


def readable(header: str) -> str:
    """Return the header, or its type alone if its parameters cannot be used."""
    try:
        _, parameters = parse_header_parameters(header)
        charset = codecs.lookup(parameters.get("charset", "utf-8")).name
    except (LookupError, TypeError, ValueError):  # unknown, or no name at all
        charset = ""
    return header if charset in _CHARSETS else header.partition(";")[0]
