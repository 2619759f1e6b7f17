"""The page in a real browser: what a visitor does, sees and downloads."""

import io
import json
import re
import struct
import zipfile
import zlib

import gradio_client
import pytest
from PIL import Image

from pokegen.app.page import EXAMPLES
from pokegen.cards.render import HEIGHT, WIDTH
from pokegen.schema import TYPES


def saved(page, link):
    """The name and the bytes of what a link downloads."""
    with page.expect_download() as download:
        link.click()
    return download.value.suggested_filename, download.value.path().read_bytes()


def create(page, clicked="#pk-create"):
    """Click, and wait for other cards."""
    before = page.locator("#pk-result .pk-face").first.get_attribute("href")
    page.click(clicked)
    page.wait_for_function(
        "before => (document.querySelector('#pk-result .pk-face') || {getAttribute() {return before}})"
        ".getAttribute('href') !== before",
        arg=before,
    )
    return page.locator("#pk-result .pk-card")


def seed_of(page):
    return int(re.search(r"seed (\d+)", page.locator("#pk-result .pk-bar").inner_text())[1])


def test_a_card_is_there_without_a_click_and_create_and_downloads_work(visit):
    page = visit()
    assert page.title() == "pokegen"
    first = page.locator("#pk-result .pk-card img").get_attribute("alt")
    assert re.match(r"Card of \w+: Dragon", first)
    assert page.evaluate("document.querySelector('#pk-result img').naturalWidth") == WIDTH
    assert page.locator("#pk-gallery li").count() == 0
    name = create(page).locator("figcaption b").inner_text()
    # The controls are those of the first card: it comes again.
    assert page.locator("#pk-result .pk-card img").get_attribute("alt") == first
    assert page.locator("#pk-gallery li").count() == 1

    file, content = saved(page, page.get_by_role("link", name=f"Download PNG of {name}"))
    assert file == f"001-{name.lower()}.png"
    assert Image.open(io.BytesIO(content)).size == (WIDTH, HEIGHT)
    file, content = saved(page, page.get_by_role("link", name="Download all (zip)"))
    assert file == "pokegen.zip"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert f"001-{name.lower()}.json" in archive.namelist()

    page.get_by_text("A grass starter grows up").click()  # an example creates at once
    page.wait_for_function("document.querySelectorAll('#pk-result .pk-card').length === 3")
    seed = seed_of(page)
    create(page, "#pk-dice")
    assert seed_of(page) != seed
    page.get_by_text("7 created on this visit").wait_for()
    file, content = saved(page, page.get_by_role("link", name="Download the gallery (zip)"))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert len([n for n in archive.namelist() if re.search(r"\d-[^/]*(?<!-sprite)\.png$", n)]) == 7


def test_a_mistake_is_one_friendly_line(visit, studio):
    page = visit()
    page.get_by_label("Name").fill("<b>x</b>")
    page.click("#pk-create")
    told = page.locator(".toast-body").first
    told.wait_for()
    text = told.inner_text()
    assert "Unusable name '<b>x</b>'" in text
    assert "Traceback" not in text
    assert str(studio.folder.parent) not in page.content().replace(str(studio.folder), "")


def test_walk_type_swap_and_reimagine(visit, drawing, studio):
    page = visit()
    page.get_by_role("tab", name="Explore").click()
    page.get_by_role("spinbutton", name="number input for Creatures").fill("2")
    page.get_by_role("spinbutton", name="number input for Pictures between two").fill("2")
    page.click("#pk-walk")
    page.wait_for_selector("#pk-walked img")
    _, content = saved(page, page.get_by_role("link", name="Download the GIF"))
    with Image.open(io.BytesIO(content)) as picture:
        assert (picture.format, picture.n_frames) == ("GIF", 4)

    page.get_by_role("tab", name="Type swap").click()
    page.click("#pk-swap")
    page.wait_for_selector("#pk-swapped img")
    assert page.locator("#pk-swapped .pk-tiles figcaption").all_inner_texts() == [*TYPES]

    page.get_by_role("tab", name="Reimagine").click()
    upload(page, "ball.png", drawing)
    page.click("#pk-reimagine")
    page.wait_for_selector("#pk-reimagined img")
    assert page.locator("#pk-reimagined figure").count() == 2 + 8
    assert str(studio.folder) not in page.locator("body").inner_text()


def upload(page, name, content):
    field = page.locator("#pk-upload input[type=file]")
    field.set_input_files({"name": name, "mimeType": "", "buffer": content})


def blank_png(width, height):
    """A white PNG of a few kilobytes, whatever its size."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    lines = zlib.compress(b"\0" * ((width // 8 + 1) * height), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.txt", b"only text", r"Invalid file type"),
        (
            "drawing.svg",
            b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
            "Invalid file type",
        ),
        ("page.png", b"<!doctype html><script>alert(1)</script>", "This file is no picture that can be read"),
        ("huge.png", blank_png(10_000, 5_000), "too many pixels: at most 16,000,000"),
    ],
)
def test_wrong_uploads_are_one_line(visit, name, content, message):
    page = visit()
    page.get_by_role("tab", name="Explore").click()
    page.get_by_role("tab", name="Reimagine").click()
    upload(page, name, content)
    if "Invalid" not in message:
        page.locator("#pk-upload .file-preview").wait_for()  # it has arrived
        page.click("#pk-reimagine")
    told = page.locator(".toast-body").first
    told.wait_for()
    assert re.search(message, told.inner_text())
    assert "Traceback" not in told.inner_text()
    assert page.locator("#pk-reimagined img").count() == 0


def test_the_zoo_and_a_comparison(visit):
    page = visit()
    page.get_by_role("tab", name="Zoo").click()
    page.locator("#pk-grids img").first.wait_for()
    assert page.get_by_role("heading", name="cgan").is_visible()
    page.get_by_label("dcgan", exact=True).check()
    page.get_by_role("heading", name="dcgan", exact=True).wait_for()
    page.wait_for_function("document.querySelectorAll('#pk-grids img').length === 1")

    page.get_by_role("tab", name="Compare runs").click()
    field = page.locator("#pk-runs input")
    for name in ("slow", "<b>fast"):
        field.click()
        page.get_by_role("option", name=name).click()
    page.click("#pk-compare")
    page.wait_for_selector("#pk-compared img")
    assert page.locator("#pk-compared .pk-verdict").inner_text().startswith("Best by val/loss: <b>fast, 2.25")
    assert page.locator("#pk-compared b").count() == 0
    file, content = saved(page, page.get_by_role("link", name="Download as one page (HTML)"))
    assert (file, content[:15]) == ("compare.html", b"<!doctype html>")


def test_a_rare_card_turns_and_a_common_one_does_not(visit):
    page = visit()
    face = page.locator("#pk-result .pk-face")
    seen = {}
    for rarity in ("common", "rare", "ultra rare", "legendary"):
        page.evaluate("r => document.querySelector('#pk-result .pk-card').dataset.rarity = r", rarity)
        page.mouse.move(2, 2)
        box = face.bounding_box()
        page.mouse.move(box["x"] + 40, box["y"] + 60)
        page.wait_for_timeout(500)
        style = "e => [getComputedStyle(e).transform, getComputedStyle(e, '::before').opacity]"
        seen[rarity] = face.evaluate(style)
    assert seen["common"][0] == "none"
    assert all(seen[rarity][0].startswith("matrix3d") for rarity in ("rare", "ultra rare", "legendary"))
    assert [float(seen[rarity][1]) > 0 for rarity in seen] == [False, False, True, True]


def test_the_keyboard_reaches_everything_on_create(visit):
    page = visit()
    page.locator("body").click(position={"x": 2, "y": 2})
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "(() => { const e = document.activeElement; return e.id || e.getAttribute('aria-label') "
                "|| e.className.toString().split(' ')[0] || e.value })()"
            )
        )
    assert {"pk-create", "pk-dice", "pk-face"} <= reached
    unnamed = page.evaluate(
        "[...document.querySelectorAll('input:not([type=hidden]):not([type=file]), button, img, a')]"
        ".filter(e => e.offsetParent && !(e.ariaLabel || e.alt || e.title || e.innerText || e.querySelector('img[alt]')"
        " || e.closest('label') || (e.id && document.querySelector(`label[for='${e.id}']`)))).map(e => e.outerHTML)"
    )
    assert unnamed == []


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_screen(visit, width):
    page = visit(width, 844)
    for tab in ("Create", "Explore", "Zoo", "Compare runs"):
        page.get_by_role("tab", name=tab).click()
        page.wait_for_timeout(200)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, tab
    if width == 390:  # the card comes first, and the button is in sight
        page.get_by_role("tab", name="Create").click()
        card, button = (page.locator(s).bounding_box() for s in ("#pk-result .pk-card", "#pk-create"))
        assert card["y"] < 400
        assert button["y"] + button["height"] <= 844


def test_ten_visitors_at_once_are_all_served_and_see_their_place(visit):
    pages = [visit() for _ in range(10)]
    for page in pages:  # each keeps what its queue said
        page.evaluate(
            "window.told = []; new MutationObserver(() => { const t = document.querySelector('#pk-result')"
            ".closest('.block, .column')?.innerText; if (/queue/.test(t)) told.push(t) })"
            ".observe(document.body, {subtree: true, childList: true, characterData: true})"
        )
        before = page.locator("#pk-result .pk-face").get_attribute("href")
    for page in pages:
        page.locator("#pk-create").evaluate("button => button.click()")
    for page in pages:
        page.wait_for_function(
            "before => document.querySelector('#pk-result .pk-face')?.getAttribute('href') !== before", arg=before
        )
        assert page.locator("#pk-result .pk-card").count() == 1
    assert any(re.search(r"queue: \d+/\d+", text) for page in pages for text in page.evaluate("told"))


def test_named_endpoints(site, drawing, tmp_path):
    client = gradio_client.Client(site, verbose=False)
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert {"/create", "/walk", "/type_swap", "/reimagine", "/model_card", "/compare"} == {*endpoints}
    made = client.predict(type1="Water", seed=3, count=1, tier="any", stage="any", api_name="/create")
    assert made["cards"][0]["types"][0] == "Water"
    json.dumps(made)
    (tmp_path / "ball.png").write_bytes(drawing)
    made = client.predict(gradio_client.handle_file(tmp_path / "ball.png"), count=1, api_name="/reimagine")
    assert len(made["variations"]) == 1


def test_each_example_is_one_that_is_made(studio):
    for type1, type2, name, tier, evolutions, color, stage, style, shiny, seed, count in EXAMPLES:
        values = [None if value == "any" else value for value in (type1, type2, name, tier, color, style)]
        type1, type2, name, tier, color, style = values
        numbers = {"evolutions": evolutions, "stage": stage}
        numbers = {key: int(value) for key, value in numbers.items() if value != "any"}
        made = studio.create(type1, type2, name, tier, color=color, style=style, shiny=shiny, seed=seed, **numbers)
        assert made["cards"]
        assert count >= 1
