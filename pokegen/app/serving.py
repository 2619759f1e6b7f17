"""The page as a web application: its routes, and the headers that keep a browser with this server."""

import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr
from fastapi import FastAPI
from fastapi.responses import FileResponse, PlainTextResponse, Response

from pokegen.app.page import STYLE, build, theme
from pokegen.app.shelf import ARCHIVE
from pokegen.app.studio import UPLOAD_BYTES, Studio
from pokegen.cards import render

# What the page may load: from this server alone, and what is written into it.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
# Gradio's own routes that the page and its clients need. The others would load something from elsewhere, keep a
# history, edit the program, or tell about other visitors.
API = "/gradio_api/"
NEEDED = (
    "app_id",
    "call/",
    "cancel",
    "file=",
    "heartbeat/",
    "info",
    "queue/",
    "reset",
    "run/",
    "startup-events",
    "upload",
)
CLOSED = (f"{API}file=http", "/login", "/monitoring")
TYPES = {
    ".png": "image/png",
    ".gif": "image/gif",
    ".json": "application/json",
    ".html": "text/html",
    ".pdf": "application/pdf",
}
FONTS = Path(render.__file__).with_name("fonts")
SHOWN = {".png", ".gif", ".otf", ".ttf"}  # what a browser opens; it downloads the rest

ICON = (
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 10 14'><rect width='10' height='14' rx='1.5' fill='#d7263d'/>"
    "<rect x='1' y='2' width='8' height='6' rx='1' fill='#fbfaf5'/></svg>"
)
# Sets the place of the pointer on a card, from 0 to 1 in both directions; style.css does the rest.
HEAD = f"""
<link rel="icon" href="data:image/svg+xml,{quote(ICON)}">
<script>
document.addEventListener("pointermove", (event) => {{
  const card = event.target.closest?.(".pk-face");
  if (!card) return;
  const box = card.getBoundingClientRect();
  card.style.setProperty("--x", ((event.clientX - box.left) / box.width).toFixed(3));
  card.style.setProperty("--y", ((event.clientY - box.top) / box.height).toFixed(3));
}});
</script>
"""

Message = MutableMapping[str, Any]


def serve(studio: Studio) -> FastAPI:
    """The page of a studio, which is closed when the application shuts down."""
    uploads = studio.folder / "uploads"
    # Gradio serves what is in these two; it reads them again while the page is built.
    os.environ["GRADIO_TEMP_DIR"] = os.environ["GRADIO_EXAMPLES_CACHE"] = str(uploads)
    studio.shelf.pin("fonts", {path.name: path for path in FONTS.glob("*.[ot]tf")})

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        warm = threading.Timer(1.0, studio.first)  # the models load while the browser does, once it has the page
        warm.daemon = True
        warm.start()
        try:
            yield
        finally:
            warm.cancel()
            studio.close()

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=life)
    app.add_middleware(Guard)

    @app.get("/files/{key}/{name}")
    def file(key: str, name: str) -> Response:
        if name == ARCHIVE:
            content = studio.shelf.archive(key.split("-"))
            if content is not None:
                return Response(content, media_type="application/zip", headers=_download(ARCHIVE))
        elif path := studio.file(key, name):
            kind = TYPES.get(path.suffix, "application/octet-stream")
            headers = {} if path.suffix in SHOWN else _download(name)
            return FileResponse(path, media_type=kind, headers=headers)
        return PlainTextResponse("This file is gone. Create it again: the same seed gives the same.", status_code=404)

    gr.mount_gradio_app(
        app,
        build(studio),
        path="/",
        css=STYLE.read_text(encoding="utf-8"),
        theme=theme(),
        head=HEAD,
        max_file_size=UPLOAD_BYTES,
        show_error=False,
        ssr_mode=False,
        run_history=False,
        footer_links=["api"],
    )
    return app


def _download(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"'}


class Guard:
    """Adds HEADERS to each answer, and closes the routes that nobody here needs."""

    def __init__(self, app: Callable[..., Awaitable[None]]):
        self.app = app

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *HEADERS]
            await send(message)

        path = scope.get("path", "")
        needless = path.startswith(API) and not path.startswith(tuple(API + name for name in NEEDED))
        if scope["type"] == "http" and (needless or path.startswith(CLOSED)):
            await PlainTextResponse("There is nothing here.", 404)(scope, receive, guarded)
        else:
            await self.app(scope, receive, guarded)
