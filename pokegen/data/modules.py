"""DataModules over imported sprites. A batch is a dict of tensors:

    image       float32 (B, 3, size, size), RGB in [-1, 1], white is 1, channels-last in memory
    type1       int64 (B,), index into schema.TYPES
    type2       int64 (B,), index into schema.TYPES, or NO_TYPE
    color       int64 (B,), index into schema.COLORS: the species' colour, which a shiny sprite does not show
    legendary   int64 (B,), 0 or 1
    stage       int64 (B,), 1 to 3
    shiny       int64 (B,), 0 or 1
    style       int64 (B,), index into schema.STYLES
    species     int64 (B,), national number

The pixels are memory-mapped from the import's cache: nothing is decoded during training.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate
from torch.utils.data import DataLoader, Dataset, DistributedSampler, get_worker_info

from pokegen import schema
from pokegen.data.pokedex import load_pokedex
from pokegen.data.sample import write_sample
from pokegen.data.splits import SPLITS
from pokegen.data.sprites import SIZES, GridPixels, SpriteFile, import_sprites, load_sprites
from pokegen.errors import DataError, UserError
from pokegen.schema import COLORS, NO_TYPE, SPRITE_SIZE, STYLES, TYPES, Species

CONDITIONS = tuple(schema.CONDITIONS)


def condition_of(species: Species, shiny: bool = False, style: str = "other") -> list[int]:
    """The CONDITIONS of a sprite, as indices."""
    type2 = TYPES.index(species.type2) if species.type2 else NO_TYPE
    own = [TYPES.index(species.type1), type2, COLORS.index(species.color), int(species.legendary), species.stage]
    return [*own, int(shiny), STYLES.index(style)]


class SpriteDataset(Dataset):
    """Sprites and the attributes of their species; fetches a batch of rows at once.

    Args:
        pixels: uint8 (N, S, S, 3).
        rows: int64 (M,), the pictures to use.
        conditions: int64 (M, 7), of those pictures.
        species: int64 (M,), their national numbers.
        size: side of the returned images: S, a divisor of it, or a multiple, enlarged in whole squares.
        augment: an albumentations transform, or None.
        flip: probability of mirroring a picture.
        seed: of both.
    """

    def __init__(
        self,
        pixels: np.ndarray | GridPixels,
        rows: np.ndarray,
        conditions: np.ndarray,
        species: np.ndarray,
        size: int = SPRITE_SIZE,
        augment: Any = None,
        flip: float = 0.0,
        seed: int = 0,
    ):
        self.rng = torch.Generator().manual_seed(seed)
        self.pixels, self.rows, self.size, self.augment, self.flip = pixels, rows, size, augment, flip
        self.conditions = torch.from_numpy(conditions)
        self.species = torch.from_numpy(species)  # national numbers (len(rows),)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {key: value[0] for key, value in self.__getitems__([index]).items()}

    def __getitems__(self, indices: list[int]) -> dict[str, Tensor]:
        images = self.pixels[self.rows[indices]]  # (B, S, S, 3)
        if self.flip:
            mirrored = (torch.rand(len(images), generator=self.rng) < self.flip).numpy()
            images = np.where(mirrored[:, None, None, None], images[:, :, ::-1], images)
        if self.augment:
            self.augment.set_random_seed(int(torch.randint(2**32, (), generator=self.rng)))
            images = np.stack([self.augment(image=image)["image"] for image in images])
        image = torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
        if self.size < image.shape[-1]:
            image = adaptive_avg_pool2d(image, self.size)
        elif self.size > image.shape[-1]:
            image = interpolate(image, self.size)
        batch = {"image": image}
        conditions = dict(zip(CONDITIONS, self.conditions[indices].unbind(1), strict=True))
        return batch | conditions | {"species": self.species[indices]}


def identity_collate(batch: Any) -> Any:
    """The dataset already returns whole batches."""
    return batch


def _seed_worker(_: int) -> None:
    """Gives each worker, and each epoch, its own random numbers for augmentation."""
    dataset: Any = get_worker_info().dataset  # type: ignore[union-attr]
    if hasattr(dataset, "rng"):
        dataset.rng.manual_seed(torch.initial_seed())


class BalancedSampler(DistributedSampler[int]):
    """`length` draws with replacement; every species is equally likely, whatever its number of pictures. Several
    processes share the draws of one, so that together they see the same sprites.

    Args:
        species: int (M,), the species of each sprite.
        length: draws per epoch, over all processes.
        seed: of the draws.
    """

    def __init__(self, species: np.ndarray, length: int, seed: int):
        together = torch.distributed.is_available() and torch.distributed.is_initialized()
        alone = {} if together else {"num_replicas": 1, "rank": 0}
        # Only the length of this argument is used, so a range replaces the dataset.
        super().__init__(range(length), seed=seed, drop_last=True, **alone)  # type: ignore[arg-type]
        self.weights = torch.from_numpy(balance(species))

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        drawn = torch.multinomial(self.weights, self.total_size, replacement=True, generator=generator)
        return iter(drawn[self.rank :: self.num_replicas].tolist())


def balance(species: np.ndarray) -> np.ndarray:
    """Sampling weights, float64 (M,), that make all species equally likely; not normalised."""
    _, inverse, counts = np.unique(species, return_inverse=True, return_counts=True)
    return 1.0 / counts[inverse]


class ImageDataModule(L.LightningDataModule):
    """Loaders of `datasets`, by split. Each dataset returns a whole batch at a time."""

    datasets: Mapping[str, Any]
    batch_size: int
    num_workers: int
    seed: int

    def val_dataloader(self) -> DataLoader:
        return self._loader("val")

    def test_dataloader(self) -> DataLoader:
        return self._loader("test")

    def _loader(self, split: str, **options: Any) -> DataLoader:
        return DataLoader(
            self.datasets[split],
            batch_size=self.batch_size,
            collate_fn=identity_collate,
            num_workers=self.num_workers,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator().manual_seed(self.seed),  # else each loader would consume the training's noise
            worker_init_fn=_seed_worker,
            **options,
        )


class SpriteDataModule(ImageDataModule):
    """Imported sprites, split by evolution family, augmented by rotation and horizontal flip.

    Args:
        root: folder written by `pokegen data import`.
        batch_size: images per batch.
        epoch_images: images per epoch, over all processes, so that budgets, checkpoints and sample grids are counted in
            images.
        size: side of the images in pixels, 64, 128 or 256; at most that of the import (`pokegen data import --size`).
        grid: use pixel art on its own grid of 64×64 pixels, enlarged in whole squares to `size`; renders and artwork
            are reduced to it. If false, every sprite is framed alike, which resamples pixel art.
        styles: which of schema.STYLES to use, or pixel for all pixel art; empty for all.
        games: which games to use, by the source's folder names; empty for all.
        shiny: include shiny colourings, whose colours do not indicate the type.
        forms: include other forms, although they have the types of their species' base form.
        rotation: largest angle of a random rotation, in degrees; 0 for none.
        flip: probability of a horizontal flip.
        table: the user's own CSV table of species; None for the shipped one.
        num_workers: worker processes; 0 suffices, since nothing is decoded.
        seed: of the order of images and of the augmentation.
    """

    def __init__(
        self,
        root: str = "data/sprites",
        batch_size: int = 64,
        epoch_images: int = 20_000,
        size: int = SPRITE_SIZE,
        grid: bool = False,
        styles: list[str] | None = None,
        games: list[str] | None = None,
        shiny: bool = False,
        forms: bool = False,
        rotation: float = 8.0,
        flip: float = 0.5,
        table: str | None = None,
        num_workers: int = 0,
        seed: int = 0,
    ):
        super().__init__()
        if unknown := set(styles or ()) - {*STYLES, "pixel"}:
            raise UserError(f"Unknown style {sorted(unknown)[0]!r}. Known styles: {', '.join(STYLES)}; or pixel.")
        if size not in SIZES:
            raise UserError(f"size must be one of {', '.join(map(str, SIZES))}, got {size}.")
        if batch_size < 1 or epoch_images < batch_size:
            raise UserError(f"epoch_images ({epoch_images}) must be at least batch_size ({batch_size}), and that 1.")
        self.root, self.table = Path(root), Path(table) if table else None
        self.batch_size, self.epoch_images, self.num_workers, self.seed = batch_size, epoch_images, num_workers, seed
        self.styles, self.games, self.shiny, self.forms = set(styles or ()), set(games or ()), shiny, forms
        self.rotation, self.flip, self.grid = rotation, flip, grid
        self.image_shape = (3, size, size)
        self.datasets: dict[str, SpriteDataset] = {}
        self.data_hash = ""  # of the pixels, for the run's record

    def setup(self, stage: str) -> None:
        if self.datasets:
            return
        pixels, index, meta = load_sprites(self.root, self.grid)
        self.data_hash = meta["sha256"]
        size = self.image_shape[-1]
        if size > meta["size"] and not self.grid:
            raise DataError(
                f"The sprites in {self.root} are {meta['size']} pixels a side, but size is {size}. Import again: "
                f"pokegen data import PATH --size {size} --out {self.root}"
            )
        species = {s.number: s for s in load_pokedex(self.table)}
        reasons = [self._left_out(sprite, species) for sprite in index]
        chosen = [i for i, reason in enumerate(reasons) if not reason]
        if unknown := self.games - {sprite.game for sprite in index}:
            known = ", ".join(sorted({sprite.game for sprite in index}))
            raise DataError(f"No game {sorted(unknown)[0]!r} in {self.root}. Games there: {known}; null takes all.")
        for split in SPLITS:
            rows = np.array([i for i in chosen if index[i].split == split], dtype=np.int64)
            each = [condition_of(species[index[i].No], index[i].shiny, index[i].style) for i in rows]
            conditions = np.array(each, dtype=np.int64).reshape(-1, len(CONDITIONS))
            numbers = np.array([index[i].No for i in rows], dtype=np.int64)
            changes = (self._augment(), self.flip, self.seed) if split == "train" else ()
            self.datasets[split] = SpriteDataset(pixels, rows, conditions, numbers, size, *changes)
        if not len(self.datasets["train"]):
            raise DataError(f"No training sprite in {self.root} matches styles, games, shiny and forms.")
        if stage == "fit":
            counts = sorted(Counter(filter(None, reasons)).items(), key=lambda item: (-item[1], item[0]))
            left_out = "; left out: " + ", ".join(f"{n:,} {reason}" for reason, n in counts) if counts else ""
            rank_zero_info(f"{self.root}: {len(chosen):,} of {len(index):,} sprites are used{left_out}.")

    def _left_out(self, sprite: SpriteFile, species: Mapping[int, Species]) -> str:
        """Why a sprite is not used, or ""."""
        if sprite.No not in species:
            return "of species that are not in the table"
        if self.games and sprite.game not in self.games:
            return "of other games (data.games)"
        if self.styles and not {sprite.style, sprite.style.partition("-")[0]} & self.styles:
            return "of other styles (data.styles)"
        if sprite.form and not self.forms:
            return "of other forms (data.forms)"
        return "shiny (data.shiny)" if sprite.shiny and not self.shiny else ""

    def _augment(self) -> Any:
        if not self.rotation:
            return None
        os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # otherwise it looks online for a newer version
        try:
            import albumentations as A
        except ImportError as error:
            raise UserError("albumentations is not installed. Install it, or train with --data.rotation 0.") from error
        white = A.Rotate(limit=self.rotation, border_mode=0, fill=255, p=1)
        return A.Compose([white])

    def state_dict(self) -> dict[str, Tensor]:
        """Saved in the checkpoint, so that a resumed training augments as an uninterrupted one, unless workers do."""
        return {"random_state": self.datasets["train"].rng.get_state()}

    def load_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        self.datasets["train"].rng.set_state(state_dict["random_state"])

    @property
    def conditions(self) -> tuple[Tensor, Tensor]:
        """The joint distribution of the training sprites' conditions, as training samples them: rows, int64 (K, 7), and
        their probabilities, float32 (K,), summing to 1."""
        train = self.datasets["train"]
        rows, inverse = train.conditions.unique(dim=0, return_inverse=True)
        share = torch.from_numpy(balance(train.species.numpy())).float()
        weights = torch.zeros(len(rows)).index_add_(0, inverse, share)
        return rows, weights / weights.sum()

    def train_dataloader(self) -> DataLoader:
        sampler = BalancedSampler(self.datasets["train"].species.numpy(), self.epoch_images, self.seed)
        if len(sampler) < self.batch_size:
            raise UserError(f"epoch_images ({self.epoch_images}) gives each process less than one batch.")
        return self._loader("train", sampler=sampler, drop_last=True)


class SampleSpriteDataModule(SpriteDataModule):
    """The procedural sample set, drawn and imported on first use: for tests and first steps without real sprites.

    Args:
        root: folder of the import; created if it is missing.
        species: number of species to draw, spread over the national order.
        variants: pictures per species.
        kwargs: see SpriteDataModule.
    """

    def __init__(self, root: str = "data/sample", species: int = 120, variants: int = 4, **kwargs: Any):
        super().__init__(root=root, **kwargs)
        self.species, self.variants = species, variants

    def prepare_data(self) -> None:
        if (self.root / "meta.json").is_file():
            return
        table = load_pokedex(self.table)
        drawn = self.root.with_name(f"{self.root.name}-drawn")
        write_sample(drawn, table[:: max(1, len(table) // self.species)][: self.species], self.variants)
        import_sprites(drawn, self.root, layout="folders", species=table)
