"""Verifies by the existing backend's headers (X-OrbitStream-...), with Python's standard library alone."""

import hashlib
import hmac
import json


def verified(raw_body: bytes, headers, secret: str) -> dict:
    """The event. Raises ValueError when it is not from us.

    What is signed never changes, so a repeat verifies, too: remember the event's id. `raw_body` is the body as it
    arrived; `headers.get` ignores case, as those of http.server and Flask do.
    """
    delivery_id = headers.get("x-orbitstream-delivery-id", "")
    timestamp = headers.get("x-orbitstream-timestamp", "")
    signed = f"{delivery_id}.{timestamp}.".encode() + raw_body
    expected = "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    given = headers.get("x-orbitstream-signature", "")
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise ValueError("The signature does not match.")
    return json.loads(raw_body)
