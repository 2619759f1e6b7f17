"""What the server gives away, and what not."""

import json
from pathlib import Path

import httpx
import pytest

from pokegen.app.studio import UPLOAD_BYTES
from pokegen.resources import shipped


@pytest.fixture(scope="module")
def client(site):
    with httpx.Client(base_url=site, timeout=60) as client:
        yield client


def answer(client, endpoint, *data):
    """The last event of a call by the API: its name and what it holds."""
    event = client.post(f"/gradio_api/call/{endpoint}", json={"data": data}).json()["event_id"]
    lines = client.get(f"/gradio_api/call/{endpoint}/{event}").text.strip().splitlines()
    return lines[-2].removeprefix("event: "), json.loads(lines[-1].removeprefix("data: "))


def reimagine(client, picture):
    return answer(client, "reimagine", picture, "any", "any", 0.4, 1, 1, "cvae")


def file_data(path, **more):
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}, **more}


ORDER = ["any", "any", "", "any", "any", "any", "any", "any", False]
SECRETS = [
    "/etc/passwd",
    "../../etc/passwd",
    "..%2f..%2f..%2f..%2fetc%2fpasswd",
    str(shipped("checkpoints") / "cgan" / "config.yaml"),
    str(shipped("checkpoints") / "cgan" / "samples.png"),
    "checkpoints/cgan/config.yaml",
    "pyproject.toml",
    str(Path(__file__)),
    str(Path.home() / ".netrc"),
]


@pytest.mark.parametrize("path", SECRETS)
@pytest.mark.parametrize(
    "route", ["/file=", "/gradio_api/file=", "/files/", "/files/fonts/", "/files/zoo-cgan/", "/assets/", "/static/"]
)
def test_nothing_outside_is_served(client, route, path):
    assert client.get(route + path).status_code in (403, 404)


def test_nothing_is_loaded_from_elsewhere(client, studio):
    for route in ("/gradio_api/file=", "/gradio_api/proxy="):
        assert client.get(route + "http://127.0.0.1:9/secret").status_code == 404
        assert client.get(route + "https://example.org/a.png").status_code == 404
    event, told = reimagine(client, file_data("https://example.org/a.png", url="https://example.org/a.png"))
    assert event == "error"
    assert "Only what you upload is read" in json.dumps(told)


@pytest.mark.parametrize("path", ["/etc/passwd", shipped("checkpoints") / "cgan" / "samples.png"])
def test_a_client_cannot_name_a_file_of_the_server(client, path):
    event, told = reimagine(client, file_data(path))
    assert event == "error"
    assert "Traceback" not in json.dumps(told)
    assert str(shipped()) not in json.dumps(told)


@pytest.mark.parametrize(
    "path", ["/gradio_api/vibe-code", "/gradio_api/runs", "/gradio_api/deep_link", "/monitoring", "/login"]
)
def test_what_nobody_needs_is_closed(client, path):
    assert client.get(path).text == client.post(path).text == "There is nothing here."


def test_uploads_are_limited_and_never_opened_as_pages(client, studio):
    big = client.post("/gradio_api/upload", files={"files": ("big.png", bytes(UPLOAD_BYTES + 1))})
    assert big.status_code == 413
    for name in ("page.html", "drawing.svg"):
        page = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
        (path,) = client.post("/gradio_api/upload", files={"files": (name, page)}).json()
        assert Path(path).is_relative_to(studio.folder)
        got = client.get(f"/gradio_api/file={path}")
        assert got.headers["content-disposition"].startswith("attachment")
        assert got.headers["content-type"] == "application/octet-stream"
        assert got.headers["x-content-type-options"] == "nosniff"


def test_an_upload_cannot_leave_the_folder(client, studio):
    for name in ("../../../../evil.png", "..%2f..%2fevil.png", "/evil.png"):
        (path,) = client.post("/gradio_api/upload", files={"files": (name, b"x")}).json()
        assert Path(path).resolve().is_relative_to(studio.folder)


@pytest.mark.parametrize(
    ("endpoint", "data"),
    [
        ("create", [*ORDER, 1, 1000, "cgan", "en"]),
        ("create", [*ORDER, -1, 1, "cgan", "en"]),
        ("create", [*ORDER, 1, 1, "/etc", "en"]),
        ("create", [*ORDER, 1, 1, "cgan", "xx"]),
        ("create", [*ORDER, "seed", 1, "cgan", "en"]),
        ("model_card", ["../docs"]),
        ("compare", [["/etc"], ""]),
        ("compare", [["nobody/entity/run"], ""]),
    ],
)
def test_what_the_endpoints_refuse(client, endpoint, data):
    event, told = answer(client, endpoint, *data)
    assert event == "error"
    assert "Traceback" not in json.dumps(told)


def test_every_answer_keeps_the_browser_here(client):
    for path in ("/", "/files/fonts/Cabin-Bold.otf", "/files/none/none.png", "/gradio_api/file=/etc/passwd"):
        got = client.get(path)
        policy = got.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "connect-src 'self'" in policy
        assert "http" not in policy
    assert client.get("/files/none/none.png").text.startswith("This file is gone")
    assert client.get("/docs").status_code == 404  # which would load its scripts from elsewhere


def test_a_print_sheet_is_drawn_when_it_is_wanted(client, studio):
    made = studio.create(seed=1, count=2)
    got = client.get("/" + made["print_sheet"])
    assert got.headers["content-type"] == "application/pdf"
    assert got.content[:5] == b"%PDF-"
    assert client.get("/files/none/sheet.pdf").status_code == 404


def test_no_path_of_the_server_is_in_the_page(client, studio):
    page = client.get("/").text
    for path in (studio.folder, shipped(), Path.home() / "x", studio.runs_folder):
        assert str(path) not in page
    assert client.get("/config").json()["analytics_enabled"] is False
