"""`pokegen app`: its checks, its start and its end."""

import os
import re
import signal
import socket
import subprocess
import sys

import httpx
import pytest
from mistakes import one_line

from pokegen.cli.main import main


def start(tmp_path, *words):
    """The process of `pokegen app`, whose temporary folder lies in `tmp_path`, and its address once it is printed."""
    command = [
        sys.executable,
        "-c",
        "import sys; from pokegen.cli.main import main; sys.exit(main(sys.argv[1:]))",
        "app",
    ]
    environment = os.environ | {"TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*command, "--port", "0", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # as in a terminal
    )
    return process, process.stdout.readline().strip()


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to a child")
def test_it_serves_until_ctrl_c_and_leaves_nothing(tmp_path):
    process, address = start(tmp_path)
    try:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", address)
        assert "pokegen" in httpx.get(address, timeout=60).text
        assert list(tmp_path.glob(".pokegen-*"))  # where it keeps what it makes
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, out) == (0, "")
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_a_port_in_use_is_one_line(capsys):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert one_line(capsys, "app", "--port", port) == (
            f"pokegen: Port {port} of 127.0.0.1 is in use. Choose another, or any free one: --port 0.\n"
        )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--port", "70000"], "port must be from 0 to 65535, got 70000"),
        (["--host", "no.such.host.invalid"], "Unknown host 'no.such.host.invalid'"),
        (["--model", "missing"], "Unknown model 'missing'"),
    ],
)
def test_wrong_options(capsys, words, message):
    assert message in one_line(capsys, "app", *words)


def test_without_gradio(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    line = one_line(capsys, "app", "--port", "0")
    assert line == "pokegen: gradio is not installed. Install it: pip install 'pokegen[app]'\n"


def test_the_warning_names_the_host(monkeypatch, capsys):
    import uvicorn

    monkeypatch.setattr(uvicorn.Server, "run", lambda self, sockets: None)
    monkeypatch.setattr("pokegen.app.create_app", lambda *_: None)
    for host, warned in (("0.0.0.0", True), ("127.0.0.1", False), ("localhost", False)):
        assert main(["app", "--host", host, "--port", "0"]) == 0
        assert ("it knows no passwords" in capsys.readouterr().err) is warned


def test_help_is_cheap():
    code = (
        "import sys; from pokegen.cli.main import main; main(['app', '--help']); print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "--browser" in done.stdout
    assert not {"gradio", "torch", "fastapi", "numpy"} & {*done.stderr.split()}
