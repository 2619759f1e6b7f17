"""The layout of the page in Gradio, and what happens at each button.

What a button does is in `studio`, what is shown in `parts`. Each has a named endpoint ("Use via API"), which returns
the studio's result.
"""

from collections.abc import Callable, Iterable
from functools import wraps
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from pokegen.app import parts
from pokegen.app.studio import (
    FIRST,
    MOST_CARDS,
    MOST_RUNS,
    MOST_STEPS,
    MOST_STOPS,
    MOST_VARIATIONS,
    READERS,
    UPLOAD_BYTES,
    UPLOAD_PIXELS,
    Studio,
)
from pokegen.cards.request import MAX_NAME, MAX_SEED, NONE
from pokegen.errors import UserError
from pokegen.schema import COLORS, LANGUAGES, STAGES, STYLES, TIERS, TYPES

STYLE = Path(__file__).with_name("style.css")
ANY = "any"  # what stands for None in a choice
MODELS: dict[str, Any] = {
    "concurrency_id": "models",
    "concurrency_limit": 2,
}  # one samples while another draws its cards
HIDDEN: dict[str, Any] = {"queue": False, "api_visibility": "private"}  # of what only shows
WAITING = 200  # at most in the queue
KEPT = 24  # orders in the gallery of a visit
SURPRISE = "() => Math.floor(Math.random() * 1000000)"
SUFFIXES = [".png", ".jpg", ".jpeg", ".gif", ".webp"]
EXAMPLES = [
    ["Fire", "Flying", "", ANY, "3", ANY, ANY, ANY, False, 7, 1],
    ["Grass", ANY, "", "starter", "3", ANY, ANY, ANY, False, 3, 1],
    ["Dragon", ANY, "", "pseudo", ANY, "Blue", "3", ANY, False, 11, 1],
    [ANY, ANY, "Glaciorb", ANY, ANY, ANY, ANY, ANY, False, 1, 1],
    ["Ghost", ANY, "", ANY, ANY, "Purple", ANY, "artwork", True, 5, 4],
    [ANY, ANY, "", "legendary", ANY, ANY, ANY, ANY, False, 2, 3],
]
EXAMPLE_NAMES = [
    "Fire and Flying, a line of three",
    "A grass starter grows up",
    "A blue dragon, pseudo-legendary",
    "Named Glaciorb: the name is read",
    "Four purple ghosts, shiny artwork",
    "Three legendaries",
]


def theme() -> gr.themes.Base:
    """The cards' paper, ink and font; nothing is loaded from another server."""
    red = gr.themes.Color(
        "#fdf2f3", "#fbe0e3", "#f6bfc5", "#ef919b", "#e45f6d", "#d7263d", "#bd1f34", "#9c1a2c", "#7d1824", "#651620",
        "#3b0b12",
    )  # fmt: skip
    fonts = [gr.themes.Font("Cabin"), gr.themes.Font("system-ui"), gr.themes.Font("sans-serif")]
    mono = [gr.themes.Font("ui-monospace"), gr.themes.Font("monospace")]
    return gr.themes.Base(primary_hue=red, neutral_hue="stone", font=fonts, font_mono=mono, radius_size="lg").set(
        body_background_fill="#f3f1ea",
        body_background_fill_dark="#17181d",
        block_background_fill="#fbfaf5",
        block_background_fill_dark="#202128",
        block_border_color="#dfddd5",
        block_border_color_dark="#33343e",
        body_text_color="#23242b",
        body_text_color_dark="#ecebe6",
        button_primary_background_fill="#d7263d",
        button_primary_background_fill_hover="#bd1f34",
        button_primary_background_fill_dark="#d7263d",
        button_primary_background_fill_hover_dark="#e45f6d",
        button_primary_text_color="#ffffff",
    )


def build(studio: Studio) -> gr.Blocks:
    """The page of a studio."""
    with gr.Blocks(title="pokegen", analytics_enabled=False, delete_cache=(600, 3600), fill_width=True) as page:
        gr.HTML(_header(), elem_id="pk-header")
        with gr.Tabs(elem_id="pk-tabs"):
            with gr.Tab("Create", id="create"):
                _create(page, studio)
            with gr.Tab("Explore", id="explore"):
                _explore(studio)
            with gr.Tab("Zoo", id="zoo"):
                _zoo(studio)
            with gr.Tab("Compare runs", id="compare"):
                _compare(page, studio)
    page.queue(max_size=WAITING, default_concurrency_limit=4)
    return page


def _header() -> str:
    return (
        '<header class="pk-header"><h1>poke<span>gen</span></h1>'
        "<p>New Pokémon, drawn by models that run on this machine: sprite, name, stats, moves and card.</p></header>"
    )


def told(work: Callable[..., Any]) -> Callable[..., Any]:
    """`work`, whose UserError becomes a message in the page."""

    @wraps(work)
    def safe(*args: Any, **options: Any) -> Any:
        try:
            return work(*args, **options)
        except UserError as error:
            # The page reads a message as HTML.
            raise gr.Error(escape(str(error), quote=False), print_exception=False) from error

    return safe


def chosen(value: Any) -> Any:
    """None for "any", "" and an empty choice."""
    return None if value in (None, "", ANY) else value


def number(value: Any, what: str) -> int:
    """A whole number of a field. UserError for anything else."""
    if not isinstance(value, int | float) or int(value) != value:
        raise UserError(f"{what} must be a whole number, got {value!r}.")
    return int(value)


def _seed(value: int, **options: Any) -> gr.Number:
    info = "the same seed gives the same"
    return gr.Number(value, label="Seed", precision=0, minimum=0, maximum=MAX_SEED, info=info, **options)


def _types(label: str, value: str = ANY) -> gr.Radio:
    return gr.Radio([ANY, *TYPES], value=value, label=label, elem_classes="pk-types-choice")


def _create(page: gr.Blocks, studio: Studio) -> None:
    with gr.Row(elem_classes="pk-columns"):
        with gr.Column(scale=5, min_width=320, elem_classes="pk-form"):
            type1 = _types("Type", FIRST["type1"])
            with gr.Row():
                type2 = gr.Dropdown([ANY, NONE, *TYPES], value=ANY, label="Second type", min_width=130)
                tier = gr.Dropdown([ANY, *TIERS], value=FIRST["tier"], label="Tier", min_width=130)
            with gr.Row():
                color = gr.Dropdown([ANY, *COLORS], value=ANY, label="Colour", min_width=130)
                style = gr.Dropdown([ANY, *STYLES], value=ANY, label="Style", min_width=130)
            with gr.Row():
                stage = gr.Radio([ANY, *map(str, STAGES)], value=str(FIRST["stage"]), label="Stage", min_width=130)
                evolutions = gr.Radio([ANY, "2", "3"], value=ANY, label="Whole line of", min_width=130)
            name = gr.Textbox("", label="Name", max_length=MAX_NAME, placeholder="left out: a new one", max_lines=1)
            with gr.Row():
                seed = _seed(FIRST["seed"], min_width=130)
                count = gr.Slider(1, MOST_CARDS, value=1, step=1, label="Count", min_width=130)
            with gr.Row():
                model = gr.Dropdown(studio.models, value=studio.default, label="Sprite model", min_width=130)
                lang = gr.Radio(LANGUAGES, value=LANGUAGES[0], label="Language", min_width=130)
            shiny = gr.Checkbox(label="Shiny", info="the rare other colouring")
            with gr.Row(elem_classes="pk-actions"):
                go = gr.Button("Create", variant="primary", elem_id="pk-create")
                dice = gr.Button("New seed", elem_id="pk-dice", min_width=120)
        with gr.Column(scale=7, min_width=320, elem_classes="pk-stage"):
            shown = gr.HTML('<p class="pk-empty">The first card is being drawn …</p>', elem_id="pk-result")
            result = gr.JSON(visible=False, label="key, seed, notes, zip, contact_sheet, print_sheet, cards")
    asked = [type1, type2, name, tier, evolutions, color, stage, style, shiny, seed, count]
    examples = gr.Examples(
        EXAMPLES, asked, label="Examples", example_labels=EXAMPLE_NAMES, elem_id="pk-examples", api_visibility="private"
    )
    with gr.Accordion("Gallery", open=True, elem_id="pk-gallery"):
        visit = gr.State([])
        gathered = gr.HTML(parts.gallery([]))

    @told
    def create(
        type1: str, type2: str, name: str, tier: str, evolutions: str, color: str, stage: str, style: str,
        shiny: bool, seed: int, count: int, model: str, lang: str,
    ) -> dict[str, Any]:  # fmt: skip
        """Whole Pokémon, as `pokegen card` makes them: the JSON of each card, and the addresses of its files."""
        return studio.create(
            chosen(type1), chosen(type2), chosen(name), chosen(tier), whole(evolutions), chosen(color), whole(stage),
            chosen(style), bool(shiny), number(seed, "The seed"), number(count, "The count"), chosen(model), lang,
        )  # fmt: skip

    def whole(value: str) -> int | None:
        return None if chosen(value) is None else int(value)

    def show(result: dict[str, Any], visit: list[dict[str, Any]]) -> tuple[str, list[dict[str, Any]], str]:
        visit = [result, *visit][:KEPT]
        return parts.cards(result), visit, parts.gallery(visit)

    def ordered(event: Any, **options: Any) -> Any:
        return event(
            create, [*asked, model, lang], result, show_progress_on=shown, scroll_to_output=False, **MODELS, **options
        ).success(show, [result, visit], [shown, visit, gathered], show_progress="hidden", **HIDDEN)

    ordered(go.click, api_name="create")
    ordered(name.submit, api_visibility="private")
    ordered(examples.load_input_event.then, api_visibility="private")
    ordered(dice.click(None, None, seed, js=SURPRISE, **HIDDEN).then, api_visibility="private")

    def first() -> tuple[str, dict[str, Any]]:
        made = studio.first()
        return parts.cards(made), made

    page.load(told(first), None, [shown, result], show_progress_on=shown, api_visibility="private")


def _explore(studio: Studio) -> None:
    with gr.Tabs():
        with gr.Tab("Walk"), gr.Row(elem_classes="pk-columns"):
            with gr.Column(scale=5, min_width=320, elem_classes="pk-form"):
                gr.Markdown("From one creature to the next through the latent space, and back to the first.")
                type1 = _types("Type")
                with gr.Row():
                    style = gr.Dropdown([ANY, *STYLES], value=ANY, label="Style", min_width=130)
                    model = gr.Dropdown(studio.models, value=studio.default, label="Sprite model", min_width=130)
                with gr.Row():
                    count = gr.Slider(2, MOST_STOPS, value=3, step=1, label="Creatures", min_width=130)
                    steps = gr.Slider(2, MOST_STEPS, value=10, step=1, label="Pictures between two", min_width=130)
                seed = _seed(7)
                types = gr.Checkbox(label="One creature through all 18 types instead")
                go = gr.Button("Walk", variant="primary", elem_id="pk-walk")
            with gr.Column(scale=7, min_width=320):
                shown = gr.HTML('<p class="pk-empty">A walk is a GIF that repeats.</p>', elem_id="pk-walked")
                result = gr.JSON(visible=False, label="key, gif, frames")

        @told
        def walk(seed: int, count: int, steps: int, types: bool, type1: str, style: str, model: str) -> dict[str, Any]:
            """A walk through the latent space of a sprite model, as a GIF."""
            return studio.walk(
                number(seed, "The seed"), number(count, "Creatures"), number(steps, "Pictures"), bool(types),
                chosen(type1), chosen(style), chosen(model),
            )  # fmt: skip

        _answer(go, "walk", walk, [seed, count, steps, types, type1, style, model], result, shown, parts.walk)

        with gr.Tab("Type swap"), gr.Row(elem_classes="pk-columns"):
            with gr.Column(scale=5, min_width=320, elem_classes="pk-form"):
                gr.Markdown("The same creature, that is the same latent, as each of the 18 types.")
                with gr.Row():
                    style = gr.Dropdown([ANY, *STYLES], value=ANY, label="Style", min_width=130)
                    color = gr.Dropdown([ANY, *COLORS], value=ANY, label="Colour", min_width=130)
                model = gr.Dropdown(studio.models, value=studio.default, label="Sprite model")
                seed = _seed(5)
                go = gr.Button("Swap the type", variant="primary", elem_id="pk-swap")
            with gr.Column(scale=7, min_width=320):
                shown = gr.HTML('<p class="pk-empty">18 sprites of one creature.</p>', elem_id="pk-swapped")
                result = gr.JSON(visible=False, label="key, types, grid, zip")

        @told
        def type_swap(seed: int, style: str, color: str, model: str) -> dict[str, Any]:
            """One creature as each of the 18 types."""
            return studio.type_swap(number(seed, "The seed"), chosen(style), chosen(color), chosen(model))

        _answer(go, "type_swap", type_swap, [seed, style, color, model], result, shown, parts.types)

        with gr.Tab("Reimagine"), gr.Row(elem_classes="pk-columns"):
            with gr.Column(scale=5, min_width=320, elem_classes="pk-form"):
                gr.Markdown(
                    "Your drawing, or a photo on an even background, drawn again by a model. "
                    f"PNG, JPEG, GIF or WebP, at most {UPLOAD_BYTES // 10**6} MB and {UPLOAD_PIXELS // 10**6} million "
                    "pixels. It stays on this machine, and is removed at the end."
                )
                upload = _only_uploads(gr.File(label="Picture", file_types=SUFFIXES, elem_id="pk-upload", height=140))
                type1 = _types("Type of the variations")
                with gr.Row():
                    strength = gr.Slider(
                        0, 1, value=0.4, step=0.05, label="Strength", info="0 repeats, 1 forgets", min_width=130
                    )
                    count = gr.Slider(1, MOST_VARIATIONS, value=8, step=1, label="Variations", min_width=130)
                with gr.Row():
                    style = gr.Dropdown([ANY, *STYLES], value=ANY, label="Style", min_width=130)
                    reading = next((m for m in READERS if m in studio.models), studio.default)
                    model = gr.Dropdown(studio.models, value=reading, label="Sprite model", min_width=130)
                seed = _seed(1)
                go = gr.Button("Reimagine", variant="primary", elem_id="pk-reimagine")
            with gr.Column(scale=7, min_width=320):
                shown = gr.HTML('<p class="pk-empty">Give a picture first.</p>', elem_id="pk-reimagined")
                result = gr.JSON(visible=False, label="key, seen, redrawn, variations, grid, zip")

        @told
        def reimagine(
            picture: str | None,
            type1: str,
            style: str,
            strength: float,
            count: int,
            seed: int,
            model: str,
            progress: gr.Progress = gr.Progress(),  # noqa: B008  Gradio finds it by its default
        ) -> dict[str, Any]:
            """A picture, drawn again by a sprite model, with variations."""

            def track(items: Iterable[Any], total: int | None = None) -> Iterable[Any]:
                return progress.tqdm(items, total=total, desc="search")

            return studio.reimagine(
                picture, chosen(type1), chosen(style), float(strength), number(count, "Variations"),
                number(seed, "The seed"), chosen(model), track,
            )  # fmt: skip

        asked = [upload, type1, style, strength, count, seed, model]
        _answer(go, "reimagine", reimagine, asked, result, shown, parts.reimagined)


def _zoo(studio: Studio) -> None:
    with gr.Row(elem_classes="pk-columns"):
        with gr.Column(scale=3, min_width=220, elem_classes="pk-form"):
            model = gr.Radio(studio.zoo, value=studio.zoo_first, label="Model", elem_classes="pk-list")
        with gr.Column(scale=9, min_width=320):
            grids = gr.HTML(elem_id="pk-grids")
            text = gr.Markdown(elem_id="pk-model-card", container=True)
            result = gr.JSON(visible=False, label="name, text, grids")

    @told
    def model_card(model: str) -> dict[str, Any]:
        """The model card of a shipped model, as Markdown, and its sample grids."""
        return studio.model_card(model)

    def show(result: dict[str, Any]) -> tuple[str, str]:
        return parts.grids(result), result["text"]

    made = model.change(model_card, model, result, api_name="model_card", show_progress_on=text)
    made.success(show, result, [grids, text], show_progress="hidden", **HIDDEN)
    # The first one is there without a click.
    first = studio.model_card(studio.zoo_first)
    grids.value, text.value = show(first)


def _compare(page: gr.Blocks, studio: Studio) -> None:
    with gr.Row(elem_classes="pk-columns"):
        with gr.Column(scale=4, min_width=280, elem_classes="pk-form"):
            gr.Markdown(f"Runs of `pokegen fit`, 1 to {MOST_RUNS} side by side.")
            names = gr.Dropdown([], multiselect=True, max_choices=MOST_RUNS, label="Runs", elem_id="pk-runs")
            metric = gr.Textbox("", label="Metric", placeholder="left out: all that they share", max_lines=1)
            with gr.Row(elem_classes="pk-actions"):
                go = gr.Button("Compare", variant="primary", elem_id="pk-compare")
                again = gr.Button("Look for runs", min_width=120)
        with gr.Column(scale=8, min_width=320):
            shown = gr.HTML(
                '<p class="pk-empty">Settings, best metrics, curves and samples.</p>', elem_id="pk-compared"
            )
            result = gr.JSON(visible=False, label="key, runs, verdict, metrics, sections, curves, samples, texts, page")

    @told
    def compare(names: list[str], metric: str) -> dict[str, Any]:
        """Runs side by side: settings that differ, best of each metric, curves and samples."""
        return studio.compare(names or [], chosen((metric or "").strip()))

    def look() -> gr.Dropdown:
        found = studio.runs
        return gr.Dropdown(found, info="" if found else "There are none yet: pokegen fit --config configs/cgan.yaml")

    _answer(go, "compare", compare, [names, metric], result, shown, parts.comparison)
    again.click(look, None, names, **HIDDEN)
    page.load(look, None, names, show_progress="hidden", **HIDDEN)


def _answer(
    button: gr.Button,
    endpoint: str,
    work: Callable[..., dict[str, Any]],
    asked: list[Any],
    result: gr.JSON,
    shown: gr.HTML,
    part: Callable[[dict[str, Any]], str],
) -> None:
    """At a click: the result of `work`, then its HTML."""
    made = button.click(work, asked, result, api_name=endpoint, show_progress_on=shown, **MODELS)
    made.success(part, result, shown, show_progress="hidden", **HIDDEN)


def _only_uploads(file: gr.File) -> gr.File:
    """`file`, which takes only what a browser sent. Gradio would also take an address, which it loads, or a file of the
    server's working folder, where a client names one."""
    uploads, take = Path(file.GRADIO_CACHE).resolve(), file.async_move_resource_to_block_cache

    async def checked(url_or_file_path: str | Path | None) -> str | None:
        if url_or_file_path is not None and not Path(url_or_file_path).resolve().is_relative_to(uploads):
            raise gr.Error("Only what you upload is read, and nothing from elsewhere.", print_exception=False)
        return await take(url_or_file_path)

    # On the object: for a subclass Gradio would write a .pyi file into this folder.
    file.async_move_resource_to_block_cache = checked  # type: ignore[method-assign]
    return file
