"""A receiver of webhooks: verify, remember, answer, work afterwards.

Set WEBHOOK_SECRET and, if you like, PORT; with `backend-headers` as argument it verifies by the existing backend's
headers, and needs nothing but Python.

    pip install standardwebhooks
    WEBHOOK_SECRET=whsec_... python3 receiver.py [backend-headers]
"""

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

if sys.argv[1:] == ["backend-headers"]:
    from verify_backend_headers import verified
else:
    from verify_standard import verified

SECRET = os.environ["WEBHOOK_SECRET"]
# In earnest a table with the id as its primary key, written in the same transaction as what follows from the event.
seen = set()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        raw_body = self.rfile.read(int(self.headers["content-length"]))
        try:
            event = verified(raw_body, self.headers, SECRET)
        except Exception as error:  # whatever it is: what cannot be verified is not from us
            print(f"refused: {error}", flush=True)
            self.send_response(400)  # anything but 2xx, and the event is sent again
        else:
            known = event["id"] in seen
            print(f"{'again' if known else event['type']} {event['id']}", flush=True)
            seen.add(event["id"])
            self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        """The lines above suffice."""


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "0"))), Receiver)
print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
