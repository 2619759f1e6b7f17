"""What the page does, without the page: each function takes plain values and returns a dictionary that JSON can hold.

Files of a result lie on the studio's shelf; results name them as addresses, `files/KEY/NAME`. A mistake of the user's
is a UserError without a path of this machine in it. Any thread may call.
"""

import os
import re
import threading
import warnings
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any

from pokegen.app.shelf import ARCHIVE, Shelf
from pokegen.cards.request import DEFAULT_MODEL, MAX_SEED, Request
from pokegen.errors import UserError
from pokegen.files import scratch_folder
from pokegen.resources import shipped
from pokegen.schema import LANGUAGES
from pokegen.trust import read_inside

if TYPE_CHECKING:
    import numpy as np

    from pokegen.cards.generator import Generator
    from pokegen.schema import Card

FIRST: dict[str, Any] = {"type1": "Dragon", "tier": "pseudo", "stage": 3, "seed": 7}  # the card that is there at first
MOST_CARDS, MOST_STOPS, MOST_STEPS, MOST_VARIATIONS, MOST_RUNS = 12, 8, 30, 16, 8
UPLOADS = ("PNG", "JPEG", "GIF", "WEBP")
UPLOAD_BYTES, UPLOAD_PIXELS = 8_000_000, 16_000_000
READERS = ("cvae", "vae")  # models with an encoder, which reads a picture at once
PRINT_SHEET, PRINTABLE = "sheet.pdf", 100  # orders whose print sheet can still be drawn
CARD_BYTES = 2**20  # of a model card
GRIDS = {"samples.png": "64 unselected samples", "types.png": "The types", "styles.png": "The styles"}
_SAMPLES = next(iter(GRIDS))  # which a checkpoint has where it draws sprites


class Studio:
    """One loaded Generator a model, shared by all who call, one at a time.

    Args:
        model: sprite model that is offered first: a zoo name, a checkpoint folder, or hf:owner/name.
        runs: folder whose runs can be compared.
    """

    def __init__(self, model: str = DEFAULT_MODEL, runs: Path = Path("runs")):
        self._open = ExitStack()
        self.folder = self._open.enter_context(scratch_folder(Path(gettempdir())))
        self.shelf = Shelf(self._made("shelf"))
        self.runs_folder = runs
        zoo = sorted(path.parent.name for path in shipped("checkpoints").glob("*/README.md"))
        drawing = [name for name in zoo if (shipped("checkpoints") / name / _SAMPLES).is_file()]
        self.zoo = drawing + [name for name in zoo if name not in drawing]
        self.default = model if model in zoo or model.startswith("hf:") else Path(model).resolve().name
        self._sources = {self.default: model} | {name: name for name in drawing}
        for name in drawing:
            grids = {grid: shipped("checkpoints") / name / grid for grid in GRIDS}
            self.shelf.pin(f"zoo-{name}", {grid: path for grid, path in grids.items() if path.is_file()})
        self._generators: dict[str, Generator] = {}
        self._printable: dict[str, tuple[list[Card], str]] = {}  # oldest first
        self._first: dict[str, Any] | None = None
        self._models, self._once = threading.Lock(), threading.Lock()

    def close(self) -> None:
        """Remove the folder with all that was made."""
        self._open.close()

    def _made(self, name: str) -> Path:
        (self.folder / name).mkdir()
        return self.folder / name

    @property
    def models(self) -> list[str]:
        """Names of the sprite models, the default first."""
        return list(self._sources)

    @property
    def zoo_first(self) -> str:
        """The model whose card is there at first."""
        return self.default if self.default in self.zoo else self.zoo[0]

    @property
    def runs(self) -> list[str]:
        """Names of the runs that can be compared."""
        from pokegen.tracking.read import available

        return available(self.runs_folder)

    def first(self) -> dict[str, Any]:
        """The result of `create` that everybody sees at first, made once."""
        with self._once:
            if self._first is None:
                self._first = self.create(**FIRST)
                self.shelf.keep(self._first["key"])
            return self._first

    def create(
        self,
        type1: str | None = None,
        type2: str | None = None,
        name: str | None = None,
        tier: str | None = None,
        evolutions: int | None = None,
        color: str | None = None,
        stage: int | None = None,
        style: str | None = None,
        shiny: bool = False,
        seed: int = 0,
        count: int = 1,
        model: str | None = None,
        lang: str = "en",
    ) -> dict[str, Any]:
        """Whole Pokémon, as `pokegen card` makes them.

        Args:
            see `cards.request.Request`; None is sampled. `count` is at most 12, lines counted once.
            model: one of `models`; default: the first.
            lang: of the cards, one of schema.LANGUAGES.

        Returns key, seed, notes, the addresses zip, contact_sheet and print_sheet, and cards: what `card.schema.json`
        describes, and the addresses of each card's files.
        """
        request = Request(
            type1, type2, name or None, tier=tier, evolutions=evolutions, color=color, stage=stage, style=style,
            shiny=shiny or None, seed=seed, count=at_most(count, MOST_CARDS, "cards"),
        )  # fmt: skip
        if lang not in LANGUAGES:
            raise UserError(f"Unknown language {lang!r}. Known languages: {', '.join(LANGUAGES)}.")
        return self._told(partial(self._create, request, model, lang))

    def _create(self, request: Request, model: str | None, lang: str) -> dict[str, Any]:
        from pokegen.cards.files import stem, write_cards

        notes = []
        with self._models:
            generator = self._generator(model)
            if ignored := generator.ignored(request):
                notes.append(f"Sprites of {generator.labels['sprites']} do not follow {', '.join(ignored)}.")
            cards = list(generator.cards(request))
        with self.shelf.place() as (key, folder):
            for _ in write_cards(cards, folder, len(cards), forms=request.evolutions, lang=lang):
                pass
        self._printable[key] = (cards, lang)
        if len(self._printable) > PRINTABLE:
            del self._printable[next(iter(self._printable))]
        address = partial(_address, key)
        parts = {"card": ".png", "sprite": "-sprite.png", "json": ".json"}
        shown = []
        for number, card in enumerate(cards, start=1):
            start = stem(number, card, len(cards))
            shown.append(card.to_dict() | {"files": {part: address(start + end) for part, end in parts.items()}})
        return {
            "key": key, "seed": request.seed, "notes": notes, "cards": shown, "zip": address(ARCHIVE),
            "contact_sheet": address("contact-sheet.png"), "print_sheet": address(PRINT_SHEET),
        }  # fmt: skip

    def file(self, key: str, name: str) -> Path | None:
        """The file of a result; a print sheet is drawn when it is first wanted."""
        if name == PRINT_SHEET and (printable := self._printable.get(key)):
            from pokegen.cards.print_sheet import write_sheet

            with self._once:
                if not (path := self.folder / f"{key}.pdf").is_file():
                    write_sheet(printable[0], path, lang=printable[1])
            return path
        return self.shelf.find(key, name)

    def walk(
        self,
        seed: int = 0,
        count: int = 4,
        steps: int = 12,
        types: bool = False,
        type1: str | None = None,
        style: str | None = None,
        model: str | None = None,
    ) -> dict[str, Any]:
        """A walk through a latent space, as `pokegen walk` makes it: gif and frames.

        `count` creatures (at most 8), `steps` pictures from each to the next (at most 30); `types`: one creature
        through all types instead."""
        at_most(steps, MOST_STEPS, "steps")
        request = Request(type1, style=style, seed=seed, count=at_most(count, MOST_STOPS, "creatures"))
        return self._told(partial(self._walk, request, steps, types, model))

    def _walk(self, request: Request, steps: int, types: bool, model: str | None) -> dict[str, Any]:
        from pokegen.cards.files import gif
        from pokegen.files import write

        with self._models:
            frames = list(self._generator(model).walk(request, steps, types))
        with self.shelf.place() as (key, folder):
            write(folder / "walk.gif", gif(frames, 80))
        return {"key": key, "gif": _address(key, "walk.gif"), "frames": len(frames)}

    def type_swap(
        self, seed: int = 0, style: str | None = None, color: str | None = None, model: str | None = None
    ) -> dict[str, Any]:
        """One creature as each of the 18 types, as `pokegen sprites --by type` makes it: types, and a grid."""
        return self._told(partial(self._type_swap, Request(style=style, color=color, seed=seed), model))

    def _type_swap(self, request: Request, model: str | None) -> dict[str, Any]:
        from pokegen.cards.files import write_rows
        from pokegen.text import slug

        with self._models:
            rows = list(self._generator(model).vary_condition("type1", request))
        with self.shelf.place() as (key, folder):
            for _ in write_rows(rows, folder):
                pass
        swapped = [{"type": kind, "sprite": _address(key, f"{slug(kind)}-001.png")} for kind, _ in rows]
        return {"key": key, "types": swapped, "grid": _address(key, "grid.png"), "zip": _address(key, ARCHIVE)}

    def reimagine(
        self,
        picture: str | Path | None,
        type1: str | None = None,
        style: str | None = None,
        strength: float = 0.4,
        count: int = 8,
        seed: int = 0,
        model: str | None = None,
        track: Callable[..., Iterable[Any]] = lambda items, **_: items,
    ) -> dict[str, Any]:
        """A picture, drawn again by a model, with variations, as `pokegen reimagine` makes them.

        Args:
            picture: a PNG, JPEG, GIF or WebP file of at most 8 MB and 16 million pixels.
            strength: 0 repeats the picture, 1 forgets it.
            count: variations, at most 16.
            model: one of `models`; default: the first that has an encoder.
            track: wraps the steps of a search (a progress bar).

        Returns seen, redrawn, variations and grid.
        """
        request = Request(type1, style=style, seed=seed, count=at_most(count, MOST_VARIATIONS, "variations"))
        if picture is None:
            raise UserError("Choose a picture first: a drawing, or a photo on an even background.")
        model = model or next((name for name in READERS if name in self._sources), None)
        return self._told(partial(self._reimagine, Path(picture), request, strength, model, track))

    def _reimagine(
        self, picture: Path, request: Request, strength: float, model: str | None, track: Callable[..., Iterable[Any]]
    ) -> dict[str, Any]:
        import numpy as np
        from PIL import Image

        from pokegen.cards.files import write_sprites
        from pokegen.files import write
        from pokegen.images import grid, png

        with self._models:
            generator = self._generator(model)
            seen = read_upload(picture, generator.size)
            redrawn, varied = generator.reimagine(seen, request, strength, track)
        with self.shelf.place() as (key, folder):
            for name, sprite in (("seen", seen), ("redrawn", redrawn)):
                write(folder / f"{name}.png", png(Image.fromarray(sprite)))
            *paths, _ = write_sprites([varied], folder, request.count)
            write(folder / "grid.png", png(grid(np.stack([seen, redrawn, *varied]), columns=5)))
        address = partial(_address, key)
        return {
            "key": key, "seen": address("seen.png"), "redrawn": address("redrawn.png"),
            "variations": [address(path.name) for path in paths], "grid": address("grid.png"), "zip": address(ARCHIVE),
        }  # fmt: skip

    def model_card(self, name: str) -> dict[str, Any]:
        """The model card of one of `zoo`, as Markdown without pictures and links, and its grids: title and address."""
        if name not in self.zoo:
            raise UserError(f"Unknown model {name!r}. Known models: {', '.join(self.zoo)}.")
        text = read_inside(shipped("checkpoints") / name, "README.md", CARD_BYTES).decode("utf-8", "replace")
        text = re.sub(r"<!--.*?-->|!\[[^\]]*\]\([^)]*\)", "", text, flags=re.DOTALL)
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)  # which lead to pages that are not here
        key = f"zoo-{name}"
        found = {grid: title for grid, title in GRIDS.items() if self.shelf.find(key, grid)}
        return {
            "name": name,
            "text": text,
            "grids": [{"title": title, "picture": _address(key, grid)} for grid, title in found.items()],
        }

    def compare(self, names: list[str], metric: str | None = None) -> dict[str, Any]:
        """Runs side by side, as `pokegen compare` shows them.

        Args:
            names: 1 to 8 of `runs`.
            metric: the one that decides and is plotted; default: all that runs share.

        Returns runs, verdict, sections (title and rows of label, cells, best), curves and samples (addresses or None),
        texts (run and its last samples, of runs that draw none), and page: the whole as one HTML file.
        """
        known = self.runs
        if not names:
            raise UserError(f"Choose 1 to {MOST_RUNS} runs.")
        at_most(len(names), MOST_RUNS, "runs")
        if unknown := [name for name in names if name not in known]:
            raise UserError(f"No run {unknown[0]!r}. Runs: {', '.join(known) or 'none'}.")
        return self._told(partial(self._compare, names, metric or None))

    def _compare(self, names: list[str], metric: str | None) -> dict[str, Any]:
        from dataclasses import asdict

        from pokegen.files import write
        from pokegen.tracking import compare
        from pokegen.tracking.read import load

        runs = [load(name, self.runs_folder) for name in names]
        metrics = compare.comparable(runs, metric)
        sections = compare.table(runs, metrics)
        verdict = compare.verdict(runs, metrics[0]) if metrics else "No run has logged a metric."
        with self._models:  # one thread draws at a time, here too
            curves = compare.curves(runs, metrics[:1] if metric else metrics) if metrics else None
        files = {"curves.png": curves, "samples.png": compare.sheet(runs)}
        files["compare.html"] = compare.page(runs, sections, verdict, *files.values()).encode()
        with self.shelf.place() as (key, folder):
            for name, content in files.items():
                if content:
                    write(folder / name, content)
        rows = [(title, [asdict(row) | {"best": sorted(row.best)} for row in rows]) for title, rows in sections]
        labels = compare.label(runs)
        return {
            "key": key, "runs": labels, "verdict": verdict, "metrics": metrics,
            "sections": [{"title": title, "rows": shown} for title, shown in rows],
            "curves": _address(key, "curves.png") if curves else None,
            "samples": _address(key, "samples.png") if files["samples.png"] else None,
            "texts": [{"run": label, "text": run.text} for label, run in zip(labels, runs, strict=True) if run.text],
            "page": _address(key, "compare.html"),
        }  # fmt: skip

    def _generator(self, model: str | None) -> "Generator":
        """The loaded one of a model. Called under the lock."""
        name = model or self.default
        if name not in self._sources:
            raise UserError(f"Unknown model {name!r}. Known models: {', '.join(self._sources)}.")
        if name not in self._generators:
            import torch

            from pokegen.cards.generator import Generator

            torch.set_num_threads(1)  # as the Generator does while it samples: so that no other thread changes it
            self._generators[name] = Generator.from_zoo(self._sources[name])
        return self._generators[name]

    def _told(self, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The result of `work`; a mistake of the user's without paths."""
        try:
            return work()
        except UserError as error:
            roots = (self.folder, self.runs_folder.resolve(), shipped(), Path.cwd(), Path.home())
            message = str(error)
            for root in roots:  # first, since their names may hold spaces
                message = message.replace(f"{root}{os.sep}", "")
            raise UserError(without_paths(message)) from error


def at_most(number: int, most: int, what: str) -> int:
    """`number`, if it is from 1 to `most`."""
    if not 1 <= number <= most:
        raise UserError(f"The page makes 1 to {most} {what} at once, not {number}.")
    return number


def read_upload(path: Path, size: int) -> "np.ndarray":
    """A stranger's picture, framed on white, uint8 (size, size, 3). UserError for what is too large, damaged, or no
    picture of UPLOADS; only the beginning of the file is read to find that out."""
    from PIL import Image

    from pokegen.images import framed, on_white, read_picture

    if os.path.getsize(path) > UPLOAD_BYTES:
        raise UserError(f"This file is too large: at most {UPLOAD_BYTES // 10**6} MB. Give a smaller picture.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about what is refused below
            with Image.open(path, formats=UPLOADS) as image:
                width, height = image.size
    except Image.DecompressionBombError:
        width = height = UPLOAD_PIXELS
    except Exception as error:  # a damaged file can raise anything in Pillow's decoders
        raise UserError("This file is no picture that can be read. Give a PNG, JPEG, GIF or WebP.") from error
    if width * height > UPLOAD_PIXELS:
        raise UserError(f"This picture has too many pixels: at most {UPLOAD_PIXELS:,}. Make it smaller.")
    try:
        return framed(on_white(read_picture(path)), size)
    except ValueError as error:
        reason = without_paths(str(error))
        raise UserError(f"This picture cannot be used: {reason}. Give a drawing on an even background.") from error


def without_paths(message: str) -> str:
    """A message with each absolute path cut down to its last name."""
    return re.sub(r"(?<![\w.:/\\])(?:[A-Za-z]:)?[/\\](?:[^\s/\\'\":]+[/\\])*(?=[^\s/\\])", "", message)


def random_seed(limit: int = 1_000_000) -> int:
    """A seed of at most six digits."""
    import secrets

    return secrets.randbelow(min(limit, MAX_SEED))


def _address(key: str, name: str) -> str:
    return f"files/{key}/{name}"
