"""Imports sprites from any set whose file or folder names contain a number or name, into one cache, decoded once.

`import_sprites` walks a source, recognises the species of each file (see `data/filenames.py`), converts the picture to
128×128 RGB on white (or 64×64, or 256×256), and writes a folder with

    sprites.npy    uint8 (N, size, size, 3), framed alike, memory-mapped in training
    grid.npy       uint8 (N, 64, 64), the same sprites as pixel art on its own grid: indices into
    palettes.npy   uint8 (N, 16, 3), white first; see `images.indexed`
    index.csv      one row per sprite: No, form, shiny, female, game, style, split, source file, reduced
    rejected.csv   every file that was left out, with the reason
    meta.json      layout, size, counts and the hash of the pixels

Left out: animations, back sprites, icons, and everything else in `filenames.LEFT_OUT`; a form's own types (a form has
its species' row of the table).
"""

import csv
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pokegen.data.filenames import SpeciesNames
from pokegen.data.pokedex import load_pokedex
from pokegen.data.splits import split_of
from pokegen.errors import DataError
from pokegen.files import ArrayWriter, atomic_folder
from pokegen.images import CANVAS, COLORS, Indexed, framed, indexed, on_white, read_picture
from pokegen.schema import SPRITE_SIZE, Species
from pokegen.workers import pool as worker_pool
from pokegen.workers import results

IMAGE_SUFFIXES = {
    ".png", ".apng", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".jp2",
    ".ppm", ".pgm", ".pnm", ".tga", ".pcx", ".ico", ".qoi", ".dds",
}  # fmt: skip
LAYOUTS = ("pokeapi", "folders", "flat")
PIXELS, INDEX, REJECTED, META = "sprites.npy", "index.csv", "rejected.csv", "meta.json"
GRID, PALETTES = "grid.npy", "palettes.npy"
FORMAT = 3  # of the folder; format 2 had no grid.npy
SIZES = (64, 128, 256)  # sides in pixels that an import may have


@dataclass(frozen=True)
class SpriteFile:
    """A picture of a known species. `form` is "" for the base form; `game` is the source's own folder name; `style` is
    one of schema.STYLES; `reduced`: the grid has it smaller, or in fewer colours, than its source."""

    No: int
    form: str
    shiny: bool
    female: bool
    game: str
    style: str
    split: str
    source: str  # path below the source's root
    reduced: bool = False


@dataclass(frozen=True)
class Rejected:
    source: str
    reason: str


def detect_layout(root: Path, names: SpeciesNames) -> str:
    """`pokeapi`, `folders` or `flat`. DataError if `root` is none of them."""
    if not root.is_dir():
        raise DataError(f"No folder at {root}.")
    if _pokeapi_root(root):
        return "pokeapi"
    pictures = [p.relative_to(root) for p in _files(root) if p.suffix.lower() in IMAGE_SUFFIXES]
    if not pictures:
        raise DataError(
            f"No sprites in {root}. Expected pictures whose own or folder's name contains a species or its number: "
            "abomasnow.png, 025.png, Palkia/2.png, or a checkout of PokeAPI's sprites."
        )
    return "folders" if any(names.in_folder(p.parts) for p in pictures) else "flat"


def _pokeapi_root(root: Path) -> Path | None:
    candidates = (root / "sprites" / "pokemon", root / "pokemon", root)
    return next((c for c in candidates if (c / "versions").is_dir() or (c / "other").is_dir()), None)


def scan(
    root: Path, layout: str = "auto", species: Iterable[Species] | None = None
) -> tuple[list[SpriteFile], list[Rejected], str]:
    """List the sprites below `root`, the files left out because of their names, and the layout that was detected."""
    names = SpeciesNames(species or load_pokedex())
    if layout == "auto":
        layout = detect_layout(root, names)
    elif layout not in LAYOUTS:
        raise DataError(f"Unknown layout {layout!r}. Known layouts: auto, {', '.join(LAYOUTS)}.")
    elif not root.is_dir():
        raise DataError(f"No folder at {root}.")
    top = (_pokeapi_root(root) if layout == "pokeapi" else root) or root
    found: list[SpriteFile] = []
    rejected: list[Rejected] = []
    for path in _files(top, lambda folder, reason: rejected.append(Rejected(_below(root, folder), reason))):
        relative = path.relative_to(top)
        source = _below(root, path)
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            rejected.append(Rejected(source, f"not a picture ({path.suffix or 'no suffix'})"))
            continue
        seen = names.place(relative.parts, layout)
        if isinstance(seen, str):
            rejected.append(Rejected(source, seen))
            continue
        assert seen.species  # otherwise `place` gives a reason
        game, style = _origin(relative) if layout == "pokeapi" else (layout, "other")
        found.append(
            SpriteFile(
                No=seen.species.number,
                form=seen.form,
                shiny="shiny" in seen.words,
                female="female" in seen.words,
                game=game,
                style=style,
                split=split_of(seen.species.family),
                source=source,
            )
        )
    # so that among equal pictures the base form is kept, and one that is neither a copy nor a strip
    found.sort(key=lambda f: (f.form != "", bool(re.search(r"(?i)copy|\(\d+\)|anim", f.source)), f.source))
    return found, rejected, layout


def _below(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


def _files(top: Path, left_out: Callable[[Path, str], Any] = lambda folder, reason: None) -> Iterator[Path]:
    """The files below `top`, in order, without hidden ones. A link to a file counts as that file, wherever it is. A
    link to a folder, which may be circular, is not followed: `left_out` receives it with a reason, as it does
    unreadable folders."""
    for folder, folders, files in os.walk(top, onerror=lambda e: left_out(Path(e.filename), "folder cannot be read")):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for link in filter(os.path.islink, (Path(folder, f) for f in folders)):
            left_out(link, "link to a folder (links to files are followed)")
        yield from (Path(folder, f) for f in sorted(files) if not f.startswith("."))


def _origin(relative: Path) -> tuple[str, str]:
    """Game and style from a path inside PokeAPI's `pokemon` folder."""
    parts = [p for p in relative.parts[:-1] if p not in ("shiny", "female")]
    if parts[:1] == ["versions"] and len(parts) >= 3:
        drawn = {f"generation-{roman}": f"pixel-{i}" for i, roman in enumerate(("i", "ii", "iii", "iv", "v"), start=1)}
        return parts[2], drawn.get(parts[1], "render")
    if parts[:1] == ["other"] and len(parts) >= 2:
        return parts[1], "artwork" if parts[1] in ("official-artwork", "dream-world") else "render"
    return "default", "other"


def decode(path: Path, size: int = SPRITE_SIZE) -> tuple[np.ndarray, Indexed] | str:
    """A sprite, framed, uint8 (size, size, 3), and on its own grid; or the reason why it is left out."""
    try:
        creature = on_white(read_picture(path))
    except ValueError as error:
        return str(error)
    return framed(creature, size), indexed(creature)


@dataclass
class ImportReport:
    folder: Path
    layout: str
    sprites: list[SpriteFile]
    rejected: list[Rejected]


def import_sprites(
    root: Path,
    out: Path,
    layout: str = "auto",
    species: Iterable[Species] | None = None,
    size: int = SPRITE_SIZE,
    workers: int | None = None,
    progress: Callable[..., Iterable[Any]] = lambda items, **_: items,
) -> ImportReport:
    """Import the sprites below `root` into the cache folder `out`, which is replaced only at the end.

    `size` is the side in pixels, one of SIZES; `progress` wraps the iterable in a progress bar. DataError if no sprite
    remains.
    """
    if size not in SIZES:
        raise DataError(f"Sprites can be imported at {', '.join(map(str, SIZES))} pixels a side, not at {size}.")
    files, rejected, layout = scan(root, layout, species)
    if not files:
        raise DataError(f"No sprite of a known species in {root} ({len(rejected)} files examined).")
    with atomic_folder(out) as work:
        if out.exists() and not (out / META).is_file() and any(out.iterdir()):
            raise DataError(f"{out} contains something other than imported sprites. Choose another --out.")
        kept, digest = _decode_all(root, files, rejected, work, size, workers, progress)
        if not kept:
            raise DataError(f"None of the {len(files)} pictures in {root} could be used: {rejected[-1].reason}.")
        rejected.sort(key=lambda r: r.source)
        _write_rows(work / INDEX, SpriteFile, kept)
        _write_rows(work / REJECTED, Rejected, rejected)
        meta = {
            "format": FORMAT,
            "layout": layout,
            "size": size,
            "sprites": len(kept),
            "rejected": len(rejected),
            "sha256": digest,
        }
        (work / META).write_text(json.dumps(meta, indent=2) + "\n")
    return ImportReport(out, layout, kept, rejected)


def _decode_all(
    root: Path,
    files: list[SpriteFile],
    rejected: list[Rejected],
    folder: Path,
    size: int,
    workers: int | None,
    progress: Callable[..., Iterable[Any]],
) -> tuple[list[SpriteFile], str]:
    """Decode into .npy files, so that memory stays bounded. Exact repeats of a species' picture are left out."""
    kept: list[SpriteFile] = []
    seen: dict[tuple[int, bytes], str] = {}
    digest = hashlib.sha256()
    with ExitStack() as stack:
        shapes = {PIXELS: (size, size, 3), GRID: (CANVAS, CANVAS), PALETTES: (COLORS, 3)}
        arrays = [
            ArrayWriter(stack.enter_context(open(folder / name, "wb")), shape, np.uint8)
            for name, shape in shapes.items()
        ]
        pool = stack.enter_context(worker_pool(workers))
        decoded = results(pool, partial(_decode_below, root, size), [f.source for f in files], folder)
        for file, result in progress(zip(files, decoded, strict=True), total=len(files)):
            if isinstance(result, str):
                rejected.append(Rejected(file.source, result))
                continue
            picture, on_grid = result
            raw = picture.tobytes()
            key = (file.No, hashlib.blake2b(raw, digest_size=16).digest())
            if key in seen:
                rejected.append(Rejected(file.source, f"same picture as {seen[key]}"))
                continue
            seen[key] = file.source
            digest.update(raw)
            for array, row in zip(arrays, (picture, on_grid.indices, on_grid.palette), strict=True):
                array.append(row)
            kept.append(replace(file, reduced=on_grid.reduced))
        for array in arrays:
            array.finish()
    return kept, digest.hexdigest()


def _decode_below(root: Path, size: int, source: str) -> tuple[np.ndarray, Indexed] | str:
    return decode(root / source, size)


def _write_rows(path: Path, kind: type, rows: Iterable[Any]) -> None:
    # bytes of a name that are not UTF-8 are written as escapes
    with open(path, "w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(kind)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def read_rows(path: Path) -> list[dict[str, Any]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _mapped(path: Path) -> np.ndarray:
    """The array in a file, memory-mapped. ValueError if it contains none of at least one dimension."""
    try:
        array = np.load(path, mmap_mode="r")
    except (OSError, ValueError):
        raise
    except Exception as error:  # numpy's reader can raise anything for a damaged header, even a tokenizer's error
        raise ValueError(f"{path.name} contains no array") from error
    if not isinstance(array, np.ndarray) or not array.ndim:  # an archive, or a single number
        raise ValueError(f"{path.name} contains no array")
    return array


class GridPixels:
    """The sprites of a cache as pixel art on its own grid, indexed like an array uint8 (N, 64, 64, 3)."""

    def __init__(self, folder: Path):
        self.indices = _mapped(folder / GRID)  # uint8 (N, 64, 64)
        self.palettes = _mapped(folder / PALETTES)  # uint8 (N, 16, 3)
        if len(self.indices) != len(self.palettes):
            raise ValueError(f"{GRID} and {PALETTES} differ in length")

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self.indices.shape, 3)

    def __getitem__(self, rows: int | np.ndarray) -> np.ndarray:
        indices, palettes = self.indices[rows], self.palettes[rows]
        if indices.ndim == 2:
            return palettes[indices]
        return palettes[np.arange(len(indices))[:, None, None], indices]


def load_sprites(folder: Path, grid: bool = False) -> tuple[Any, list[SpriteFile], dict[str, Any]]:
    """The cache: pixels uint8 (N, size, size, 3), memory-mapped; the index; the metadata. With `grid`, the pixels are
    GridPixels, and the framed pictures need not exist.

    DataError if `folder` contains no complete import.
    """
    try:
        parts = (META, INDEX, GRID, PALETTES) if grid else (META, INDEX, PIXELS)
        if other := [name for name in parts if (folder / name).exists() and not (folder / name).is_file()]:
            raise ValueError(f"{other[0]} is not a file")  # opening a named pipe would wait for its writer
        meta = json.loads((folder / META).read_text(encoding="utf-8"))
        if not (folder / REJECTED).is_file():
            raise ValueError(f"{REJECTED} is missing")
        if meta["format"] != FORMAT:
            raise DataError(
                f"{folder} was imported by another version of pokegen. Import again: pokegen data import PATH"
            )
        count, _ = meta["sprites"], meta["sha256"]
        pixels = GridPixels(folder) if grid else _mapped(folder / PIXELS)
        rows = read_rows(folder / INDEX)
        if cut := [i for i, r in enumerate(rows, 2) if None in r.values()]:
            raise ValueError(f"{INDEX}, row {cut[0]} is incomplete")
        flags = ("shiny", "female", "reduced")
        index = [SpriteFile(**{**r, "No": int(r["No"]), **{flag: r[flag] == "True" for flag in flags}}) for r in rows]
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(
            f"No imported sprites in {folder}. First run: pokegen data import PATH --out {folder}"
        ) from error
    except DataError:
        raise
    except (OSError, EOFError, ValueError, KeyError, TypeError, RecursionError, csv.Error) as error:
        raise DataError(f"{folder} is damaged ({error}). Import again: pokegen data import PATH") from error
    if not len(pixels) == len(index) == count:
        raise DataError(f"{folder} is damaged: {len(pixels)} pictures, {len(index)} rows. Import again.")
    return pixels, index, meta
