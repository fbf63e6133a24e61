"""Verifies by the Standard Webhooks headers, with their library: `pip install standardwebhooks`."""

from standardwebhooks import Webhook


def verified(raw_body: bytes, headers, secret: str) -> dict:
    """The event. Raises an exception when it is not from us, or was signed more than five minutes ago.

    `raw_body` is the body as it arrived, unparsed; `headers` is a mapping, in whatever case.
    """
    return Webhook(secret).verify(raw_body, dict(headers.items()))
