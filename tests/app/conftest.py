"""One studio, one server and one browser for all tests of a file.

They end with the file: each has an event loop that runs on, and tests of other folders start their own, or change the
clock.
"""

import io
import os
import shutil
import socket
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import uvicorn
import yaml
from PIL import Image

from pokegen.app.serving import serve
from pokegen.app.studio import Studio
from pokegen.tracking import record

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="session")
def drawing():
    """A PNG: a red ball on grey."""
    pixels = np.full((90, 140, 3), 180, np.uint8)
    y, x = np.ogrid[:90, :140]
    pixels[(y - 45) ** 2 + (x - 60) ** 2 < 30**2] = (200, 30, 40)
    return png(pixels)


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Two runs; the name of one holds markup."""
    folder = tmp_path_factory.mktemp("all runs")
    for name, lr, losses in (("slow", 0.001, [5, 4, 3.5]), ("<b>fast", 0.01, [5, 3, 2.25])):
        run = folder / name
        (run / "csv" / "version_0").mkdir(parents=True)
        config = {"model": {"class_path": "pokegen.models.vae.VAE", "init_args": {"lr": lr}}}
        (run / "config.yaml").write_text(yaml.safe_dump(config))
        rows = "".join(f"{i},{i * 10},{loss}\n" for i, loss in enumerate(losses))
        (run / "csv" / "version_0" / "metrics.csv").write_text(f"step,images,val/loss\n{rows}")
        record.write(run, {"status": "finished", "images_seen": 20})
    return folder


@pytest.fixture(scope="module")
def studio(runs):
    studio = Studio("cgan", runs)
    yield studio
    studio.close()


@pytest.fixture(scope="module")
def site(studio):
    """The page, served in a thread: its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(serve(studio), log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.05)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(20)
    listening.close()
    assert not studio.folder.exists()  # nothing of the visitors stays


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is missing: apt install chromium")
        pytest.skip("Chromium is missing: apt install chromium")
    with sync_playwright() as play:
        # Chromium's own sandbox does not start for root, as in a container
        options = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        browser = play.chromium.launch(executable_path=path, args=options)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, site):
    """Opens the page as a new visitor. At the end: no error of a script, and no request to any other server."""
    seen = SimpleNamespace(requests=[], errors=[])
    contexts = []

    def open_page(width=1280, height=900):
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        context.on("request", lambda request: seen.requests.append(request.url))
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: seen.errors.append(str(error)))
        page.on("console", lambda m: seen.errors.append(m.text) if "Content Security Policy" in m.text else None)
        page.goto(site)
        page.wait_for_selector("#pk-result .pk-card img")
        return page

    open_page.requests = seen.requests
    yield open_page
    for context in contexts:
        context.close()
    assert seen.errors == []
    assert seen.requests
    assert [url for url in seen.requests if not url.startswith((site, "data:", "blob:"))] == []
