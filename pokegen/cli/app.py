"""the web page: create, explore, the zoo, and runs side by side, in a browser

Serves on this machine alone until Ctrl-C. Nothing is loaded from elsewhere, and nothing stays: what was created and
uploaded lies in a temporary folder, which is removed at the end. Needs the extra: pip install 'pokegen[app]'.

examples:
  pokegen app
  pokegen app --port 8000 --model cgan
  pokegen app --port 0 --browser                     any free port, opened in your browser
  pokegen app --host 0.0.0.0                         for everybody who reaches this machine
"""

import argparse
import errno
import ipaddress
import socket
import sys
import webbrowser
from contextlib import suppress
from pathlib import Path

from pokegen.cli import _order
from pokegen.errors import UserError
from pokegen.resources import shipped
from pokegen.trust import echo


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to serve on; default: %(default)s")
    parser.add_argument("--port", type=int, default=7860, help="0 for any free one; default: %(default)s")
    _order.add_model(parser)
    parser.add_argument(
        "--runs", type=Path, default=Path("runs"), metavar="DIR", help="of the runs to compare; default: %(default)s"
    )
    parser.add_argument("--browser", action="store_true", help="open the page in your browser")


def run(args: argparse.Namespace) -> None:
    from pokegen.app import create_app

    _check_model(args.model)
    listening = _listen(args.host, args.port)
    with listening:
        app = create_app(args.model, args.runs)

        import uvicorn  # which Gradio needs

        host, port = listening.getsockname()[:2]
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        if not ipaddress.ip_address(host.partition("%")[0]).is_loopback:
            echo(f"everybody who reaches {host} can use this page: it knows no passwords", file=sys.stderr)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        print(address, flush=True)
        if args.browser:
            webbrowser.open(address)
        with suppress(KeyboardInterrupt):  # which is how one ends it
            server.run(sockets=[listening])


def _check_model(model: str) -> None:
    """UserError for a model that there is not, before the page is there."""
    if not (shipped("checkpoints") / model / "samples.png").is_file():
        from pokegen import zoo

        zoo.read_config(zoo.folder_of(model))


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens at the address, or UserError."""
    if not 0 <= port <= 65535:
        raise UserError(f"port must be from 0 to 65535, got {port}.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UserError(f"Unknown host {host!r}. Give an address of this machine, such as 127.0.0.1.") from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen()
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise UserError(f"Port {port} of {host} is in use. Choose another, or any free one: --port 0.") from error
        raise UserError(f"Cannot serve on {host}, port {port}: {error.strerror}. Choose another.") from error
    return listening
