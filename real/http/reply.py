"""An HTTP reply: a status and a document become bytes. No I/O here."""

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from real.http.request import METHODS, Request


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered, to whatever request."""

    status: int
    body: bytes
    content_type: str = "application/json"


def told(document: Any, status: int = 200) -> Reply:
    r"""Return a reply that is strict JSON: numbers without an end are null.

    >>> told({"n": 1, "x": float("inf")}).body
    b'{"n": 1, "x": null}\n'
    """
    try:
        text = _json(document)
    except (ValueError, RecursionError):  # an integer of thousands of digits is more than Python writes
        return failed(500, "there is something in it that cannot be written as JSON")
    return Reply(status, text.encode("ascii") + b"\n")


def failed(status: int, text: str) -> Reply:
    """Return a reply that says what was wrong."""
    return told({"error": text}, status)


def rendered(reply: Reply, request: Request | None) -> bytes:
    r"""Return the bytes of a reply; None for a request that nobody understood, after which the connection ends.

    >>> rendered(Reply(200, b"{}"), None).splitlines()[0]
    b'HTTP/1.1 200 OK'
    """
    lines = [
        f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}",
        f"Content-Type: {reply.content_type}",
        f"Content-Length: {len(reply.body)}",
        "Cache-Control: no-store",
    ]
    if reply.status == HTTPStatus.METHOD_NOT_ALLOWED:
        lines.append(f"Allow: {', '.join(METHODS)}")
    if request is None or not request.keep_alive:
        lines.append("Connection: close")
    elif request.version == "1.0":
        lines.append("Connection: keep-alive")
    head = "\r\n".join(lines).encode("ascii") + b"\r\n\r\n"
    return head if request is not None and request.method == "HEAD" else head + reply.body


def _json(document: Any) -> str:
    try:
        return json.dumps(document, allow_nan=False)
    except ValueError:  # 1e999 is JSON, and infinite
        return json.dumps(json.loads(json.dumps(document), parse_constant=lambda name: None), allow_nan=False)
