"""The page: an empty shell and its files. It has no data; its scripts ask the API for that."""

from __future__ import annotations

from pathlib import Path

from litestar import Response, get
from litestar.params import FromPath
from litestar.response import Redirect

from jobctl.web.problems import Refused

_FOLDER = Path(__file__).with_name("static")
_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
#: All that is served, by name: a name that is no key leads nowhere.
_FILES = {
    path.name: (path.read_bytes(), _KINDS[path.suffix])
    for path in _FOLDER.iterdir()
    if path.suffix in _KINDS
}


def _send(name: str) -> Response[bytes]:
    if name not in _FILES:
        raise Refused(404, "there is no such file")
    content, kind = _FILES[name]
    return Response(content, media_type=kind)


@get("/", sync_to_thread=False)
def root() -> Redirect:
    return Redirect("/admin", status_code=302)


@get(["/admin", "/admin/{path:path}"], sync_to_thread=False)
def shell() -> Response[bytes]:
    return _send("index.html")


@get("/static/{name:str}", sync_to_thread=False)
def static(name: FromPath[str]) -> Response[bytes]:
    return _send(name)


ROUTES = [root, shell, static]
