"""The page of `pokegen app`: how soon it is there, how long a card takes, and ten visitors at once, in a real Chromium.

    python benchmarks/app.py
    python benchmarks/app.py --rounds 5 --visitors 20

Needs `pip install 'pokegen[dev]'` and Chromium. Each start is a new process; a warm card is timed from the click to the
picture. All visitors click before the first is served. Exit status 1 where a figure is missed.
"""

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
import urllib.request

MOST_START, MOST_CARD = 5.0, 1.0  # seconds
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CLICK = "button => button.click()"
OTHER = (
    "before => { const e = document.querySelector('#pk-result .pk-face');"
    " return e && e.getAttribute('href') !== before }"
)


def start() -> tuple[subprocess.Popen[str], str, float]:
    """A server, its address, and the seconds from the start of the process to the first page."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "pokegen", "app", "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    with urllib.request.urlopen(address, timeout=120) as page:
        assert b"pokegen" in page.read()
    return process, address, time.perf_counter() - began


def stop(process: subprocess.Popen[str]) -> int:
    process.send_signal(signal.SIGINT)
    return process.wait(30)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="starts, and warm cards; default: %(default)s")
    parser.add_argument("--visitors", type=int, default=10, help="at once; default: %(default)s")
    args = parser.parse_args()
    browser_path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if browser_path is None:
        parser.error("Chromium is missing: apt install chromium")

    from playwright.sync_api import sync_playwright

    starts = []
    for number in range(args.rounds):
        process, address, seconds = start()
        starts.append(seconds)
        if number < args.rounds - 1:
            stop(process)
    elsewhere: set[str] = set()
    with sync_playwright() as play:
        options = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        browser = play.chromium.launch(executable_path=browser_path, args=options)

        def visit():
            context = browser.new_context()
            context.on(
                "request", lambda r: None if r.url.startswith((address, "data:", "blob:")) else elsewhere.add(r.url)
            )
            page = context.new_page()
            page.set_default_timeout(300_000)
            page.goto(address)
            page.wait_for_selector("#pk-result .pk-face img")
            return page

        def shown(page):
            return page.locator("#pk-result .pk-face").first.get_attribute("href")

        page, cards = visit(), []
        for _ in range(args.rounds):
            before, began = shown(page), time.perf_counter()
            page.locator("#pk-create").evaluate(CLICK)
            page.wait_for_function(OTHER, arg=before)
            cards.append(time.perf_counter() - began)
        pages = [page, *(visit() for _ in range(args.visitors - 1))]
        before = [shown(page) for page in pages]
        began = time.perf_counter()
        for page in pages:
            page.locator("#pk-create").evaluate(CLICK)
        served = 0
        for page, href in zip(pages, before, strict=True):
            page.wait_for_function(OTHER, arg=href)
            served += 1
        all_served = time.perf_counter() - began
        browser.close()
    status = stop(process)

    elsewhere = {url for url in elsewhere if not url.startswith((address, "data:", "blob:"))}
    print(f"{os.cpu_count()} cores, {args.rounds} rounds, load {os.getloadavg()[0]:.1f}\n")
    print(f"{'seconds':<28}{'median':>8}{'lowest':>8}{'highest':>8}{'at most':>9}")
    good = status == 0 and served == args.visitors and not elsewhere
    for name, values, most in (("page, from a cold start", starts, MOST_START), ("card, warm", cards, MOST_CARD)):
        verdict = "ok" if statistics.median(values) <= most else "MISSED"
        good &= verdict == "ok"
        print(f"{name:<28}{statistics.median(values):>8.2f}{min(values):>8.2f}{max(values):>8.2f}{most:>9} {verdict}")
    print(f"\n{served} of {args.visitors} visitors at once served, the last after {all_served:.1f} s")
    print(f"requests to other servers: {len(elsewhere)}; status after Ctrl-C: {status}")
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
