"""An object store on this machine, which speaks S3, and which can be made to fail."""

import contextlib
import itertools
import os
import socket
import threading

import requests
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

ERROR = "<?xml version='1.0'?><Error><Code>{}</Code><Message>as the test wants it</Message></Error>"


# Objects in a page of a list, unless more are asked for: so that few are a long list.
PAGE = 3
os.environ["MOTO_S3_DEFAULT_MAX_KEYS"] = str(PAGE)
# The store believes anybody who says who they are.
OPERATOR = {"Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request"}


def asked(method, url, **more):
    answer = requests.request(method, url, headers=OPERATOR, **more)
    assert answer.ok, (method, url, answer.status_code, answer.text)
    return answer


class Silent(WSGIRequestHandler):
    """Says nothing of requests."""

    def log(self, *_):
        pass


class ObjectStore:
    """The store. A mood sees each request before it does: what it returns is answered instead, unless it is
    `None`."""

    def __init__(self, certificate=None):
        """A certificate and its key, as paths, make it speak TLS."""
        self.below = DomainDispatcherApplication(create_backend_app)
        self.mood = lambda request: None
        self.requests = []
        more = {"threaded": True, "request_handler": Silent, "ssl_context": certificate}
        self.server = make_server("127.0.0.1", 0, self, **more)
        scheme, host = ("https", "localhost") if certificate else ("http", "127.0.0.1")
        self.url = f"{scheme}://{host}:{self.server.port}"
        self.buckets = map("bank-{}".format, itertools.count(1))
        self.lock = threading.Lock()

    def __call__(self, environ, start_response):
        request = Request(self, environ, start_response)
        with self.lock:
            self.requests.append(f"{request.method} {request.path}")
            answer = self.mood(request)
        if answer is None:
            return request.passed()
        return answer()

    def bucket(self):
        """A new one."""
        name = next(self.buckets)
        asked("PUT", f"{self.url}/{name}")
        return name

    def keep_versions(self, bucket):
        enabled = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
        asked("PUT", f"{self.url}/{bucket}?versioning", data=enabled)

    def keys(self, bucket):
        """The keys of up to a thousand objects."""
        listed = asked("GET", f"{self.url}/{bucket}?list-type=2&max-keys=1000").text
        return [part.split("</Key>")[0] for part in listed.split("<Key>")[1:]]

    def get(self, bucket, key):
        return asked("GET", f"{self.url}/{bucket}/{key}").content

    def put(self, bucket, key, content):
        asked("PUT", f"{self.url}/{bucket}/{key}", data=content)

    def delete(self, bucket, key):
        asked("DELETE", f"{self.url}/{bucket}/{key}")

    @contextlib.contextmanager
    def in_mood(self, mood):
        """As long as it lasts, a mood decides; yields what was asked meanwhile."""
        self.mood, self.requests = mood, []
        try:
            yield self.requests
        finally:
            self.mood = lambda request: None


class Request:
    """A request, and what can become of it."""

    def __init__(self, store, environ, start_response):
        self.store, self.environ, self.start_response = store, environ, start_response
        self.method, self.path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.query = environ["QUERY_STRING"]
        self.range = environ.get("HTTP_RANGE")

    def passed(self):
        return self.store.below(self.environ, self.start_response)

    def refused(self, status, code):
        """The store says no, and has read all of it."""
        self.environ["wsgi.input"].read(int(self.environ.get("CONTENT_LENGTH") or 0))
        self.start_response(status, [("Content-Type", "application/xml")])
        return [ERROR.format(code).encode()]

    def hang_up(self):
        with contextlib.suppress(OSError):
            self.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        return []

    def lost(self):
        """It never arrives."""
        return self.hang_up()

    def done_and_lost(self):
        """It is done, and nobody hears of it."""
        collected = self.store.below(self.environ, lambda *_: None)
        list(collected)
        return self.hang_up()

    def cut(self):
        """Half of the answer arrives."""
        content = b"".join(self.passed())
        yield content[: len(content) // 2]
        self.hang_up()


@contextlib.contextmanager
def object_store(certificate=None):
    store = ObjectStore(certificate)
    thread = threading.Thread(target=store.server.serve_forever)
    thread.start()
    try:
        yield store
    finally:
        store.server.shutdown()
        thread.join()
        store.server.server_close()
