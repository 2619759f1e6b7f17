"""Recordings as training data: windows of frames and the keys pressed at them. A batch is a dict of tensors:

    frames    uint8 (B, T, 128, 128), gray; beyond an episode's ends its first and its last frame are repeated
    keys      int64 (B, T, G), each group's value, see keys.py; of causal windows (B, 1, G), those of the last frame
    mask      bool (B, T) or (B, 1), the frames whose keys count in the loss

and, for causal windows in training, also

    combinations  int64 (N, G), the keys that are ever pressed together
    log_weight    float32 (N,), log of the relative frequency at which `balance` samples each

Splits are by episode, fixed by a hash, so that no frame of a test episode is ever seen in training. The frames are
decoded once, into `.frames` next to the recordings, and mapped from there.
"""

import glob
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pokegen.errors import DataError, UserError
from pokegen.files import ArrayWriter, atomic_file, os_error
from pokegen.game.video.codec import FRAME_SIZE, frames
from pokegen.game.video.keys import Keys
from pokegen.game.video.recording import read_recording

SPLITS = ("train", "val", "test")
Window = tuple[int, int, int, int]  # episode, first row (may be negative), first frame that counts, end
Episode = tuple[np.ndarray, np.ndarray]  # frames uint8 (N, 128, 128), keys int64 (N, G)


class Clips(Dataset):
    """Dataset of windows of `length` frames, indexed by `Window`, a batch at once. Targets are the keys of the last
    `num_targets` frames; `extra` is added to each batch."""

    def __init__(self, episodes: Sequence[Episode], length: int, num_targets: int, extra: Mapping[str, Tensor] = {}):
        self.episodes, self.length, self.num_targets, self.extra = episodes, length, num_targets, extra

    def __len__(self) -> int:
        return sum(len(keys) for _, keys in self.episodes)

    def __getitems__(self, windows: Sequence[Window]) -> dict[str, Tensor]:
        place = np.arange(self.length)
        batch: dict[str, list[np.ndarray]] = {"frames": [], "keys": [], "mask": []}
        for episode, start, low, high in windows:
            images, keys = self.episodes[episode]
            rows = (start + place).clip(0, len(keys) - 1)
            batch["frames"].append(images[rows])
            batch["keys"].append(keys[rows][-self.num_targets :])
            mask = (rows == start + place) & (place >= low) & (place < high)
            batch["mask"].append(mask[-self.num_targets :])
        return {key: torch.from_numpy(np.stack(values)) for key, values in batch.items()} | {**self.extra}


def identity_collate(batch: Any) -> Any:
    return batch


class RecordingsDataModule(L.LightningDataModule):
    """Recordings of play, split by episode.

    Args:
        recordings: folders of recordings, or their CSV files.
        groups: the keys, see keys.Keys; `pokegen fit` takes them from the model where they are left out.
        window: frames of a window; `pokegen fit` takes it from the model where it is left out.
        causal: targets are the last frame of each window only, as for a policy, instead of all frames.
        batch_size: windows a batch.
        epoch_frames: frames an epoch, those of all windows together; of a causal window one.
        balance: in [0, 1]: a window is drawn around a frame, which is drawn by its keys' frequency to the power of
            −balance; 1 draws rare keys as often as common ones.
        val_share: share of the episodes for validation; with 0 no checkpoint is the best, and the last is exported.
        test_share: share of the episodes for the test.
        val_frames: frames of a validation at most; 0 for all.
        seed: of the order of windows.
    """

    def __init__(
        self,
        recordings: list[str],
        groups: Mapping[str, Sequence[str]] = {},
        window: int = 32,
        causal: bool = False,
        batch_size: int = 8,
        epoch_frames: int = 40_000,
        balance: float = 0.5,
        val_share: float = 0.1,
        test_share: float = 0.2,
        val_frames: int = 20_000,
        seed: int = 0,
    ):
        super().__init__()
        if not 0 <= balance <= 1:
            raise UserError(f"balance must be from 0 to 1, got {balance}.")
        if min(val_share, test_share) < 0 or val_share + test_share >= 1:
            raise UserError(f"val_share ({val_share}) and test_share ({test_share}) must leave episodes to train on.")
        if batch_size < 1 or epoch_frames < batch_size:
            raise UserError(f"epoch_frames ({epoch_frames}) must be at least batch_size ({batch_size}), and that 1.")
        if window < (1 if causal else 4):
            raise UserError(f"window must be at least 4 frames, or 1 of causal windows, got {window}.")
        self.recordings, self.keys, self.window, self.causal = recordings, Keys(groups), window, causal
        self.batch_size, self.epoch_frames, self.balance = batch_size, epoch_frames, balance
        self.shares, self.val_frames, self.seed = (val_share, test_share), val_frames, seed
        self.episodes: dict[str, list[Episode]] = {}
        self.data_hash = ""  # of keys and names, for the run's record

    def setup(self, stage: str) -> None:
        if self.episodes:
            return
        found: list[tuple[str, Episode]] = []
        for path in csv_files(self.recordings):
            recording = read_recording(path)
            pixels, keys = decoded(recording.video, len(recording.keys)), self.keys.encode(recording.keys)
            starts = [0, *(np.flatnonzero(np.diff(recording.episode)) + 1), len(keys)]
            for a, b in pairwise(starts):
                found.append((f"{path.stem}/{recording.episode[a]}", (pixels[a:b], keys[a:b])))
        # Sort by hash, so that the split is independent of file order; equal names are ordered by content.
        found.sort(key=lambda item: (hashlib.sha256(os.fsencode(item[0])).digest(), item[1][1].tobytes()))
        digest = hashlib.sha256()
        for name, (_, keys) in found:
            digest.update(os.fsencode(name) + keys.tobytes())
        self.data_hash = digest.hexdigest()
        val, test = (round(share * len(found)) for share in self.shares)
        parts = {"val": found[:val], "test": found[val : val + test], "train": found[val + test :]}
        self.episodes = {split: [episode for _, episode in parts[split]] for split in SPLITS}
        for split, share in zip(("val", "test"), self.shares, strict=True):
            if (share and not self.episodes[split]) or not self.episodes["train"]:
                raise DataError(f"{len(found)} episodes are too few for a {split}_share of {share}. Record more.")

    @property
    def frequencies(self) -> list[np.ndarray]:
        """How often each value of each group is pressed in training, 1 in all."""
        keys = np.concatenate([keys for _, keys in self.episodes["train"]])
        return [np.bincount(c, minlength=n) / len(c) for c, n in zip(keys.T, self.keys.sizes, strict=True)]

    def train_dataloader(self) -> DataLoader:
        episodes = self.episodes["train"]
        keys = np.concatenate([keys for _, keys in episodes])
        rows, inverse, counts = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
        owner = np.repeat(np.arange(len(episodes)), [len(keys) for _, keys in episodes])
        row = np.concatenate([np.arange(len(keys)) for _, keys in episodes])
        weights = torch.from_numpy(counts ** -float(self.balance))  # (N,)
        extra = {"combinations": torch.from_numpy(rows), "log_weight": weights.log().float()} if self.causal else {}
        drawn = _Drawn(self, weights[torch.from_numpy(inverse.ravel())], owner, row)
        return self._loader("train", drawn, extra, drop_last=True)

    def val_dataloader(self) -> Any:
        return self._sweep("val", self.val_frames)

    def test_dataloader(self) -> Any:
        return self._sweep("test", 0)

    def _sweep(self, split: str, most: int) -> Any:
        """Each frame once; of more than `most`, evenly spread windows."""
        windows: list[Window] = []
        for i, (_, keys) in enumerate(self.episodes[split]):
            if self.causal:
                windows += [(i, end - self.window + 1, self.window - 1, self.window) for end in range(len(keys))]
                continue
            quarter = self.window // 4
            starts = [0, *range(quarter * 2, len(keys) - quarter * 2, quarter * 2)]
            for start in starts:  # each answers for its middle, the first and the last also for what lies outside
                last = start == starts[-1]
                windows.append((i, start, quarter if start else 0, self.window if last else 3 * quarter))
        targets = 1 if self.causal else max(1, self.window // 2)
        if most and len(windows) * targets > most:
            windows = windows[:: -(-len(windows) * targets // most)]
        return self._loader(split, windows, {}) if windows else []

    def _loader(self, split: str, sampler: Any, extra: dict[str, Tensor], **options: Any) -> DataLoader:
        clips = Clips(self.episodes[split], self.window, 1 if self.causal else self.window, extra)
        return DataLoader(clips, self.batch_size, sampler=sampler, collate_fn=identity_collate, **options)


class _Drawn:
    """Windows around frames that are drawn with replacement, at any place of the window."""

    def __init__(self, data: RecordingsDataModule, weights: Tensor, owner: np.ndarray, row: np.ndarray):
        self.data, self.weights, self.owner, self.row = data, weights, owner, row
        self.length = max(data.batch_size, data.epoch_frames // (1 if data.causal else data.window))

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Window]:
        trainer = self.data.trainer
        epoch = trainer.current_epoch if trainer else 0
        generator = torch.Generator().manual_seed(self.data.seed * 1_000_003 + epoch)
        drawn = torch.multinomial(self.weights, self.length, replacement=True, generator=generator).numpy()
        length = self.data.window
        if self.data.causal:
            return ((self.owner[i], self.row[i] - length + 1, length - 1, length) for i in drawn)
        place = torch.randint(length, (self.length,), generator=generator).numpy()
        return ((self.owner[i], self.row[i] - p, 0, length) for i, p in zip(drawn, place, strict=True))


def csv_files(recordings: Sequence[str]) -> list[Path]:
    """Those of the folders, sorted, and those named. DataError where there are none."""
    files: list[Path] = []
    for path in map(Path, recordings):
        inside = sorted(path.glob("*.csv")) if path.is_dir() else [path] if path.is_file() else []
        if not inside:
            raise DataError(f"No recording in {path}. Make one: pokegen game record --env ID --out {path}")
        files += inside
    return list(dict.fromkeys(files))  # once, whether named or in a folder that is: else a test could be trained on


def decoded(video: Path, count: int) -> np.ndarray:
    """The first `count` frames of a video, uint8 (count, 128, 128), from the cache that it is decoded into once."""
    facts = video.stat()
    name = hashlib.sha256(f"{facts.st_size} {facts.st_mtime_ns} {count} upright".encode()).hexdigest()[:12]
    cache = video.resolve().parent / ".frames" / f"{video.stem}-{name}.npy"
    if cache.parent.is_symlink():
        raise UserError(f"{cache.parent} is a link: remove it. What is decoded stays next to its video.")
    if not cache.is_file():
        try:
            for old in cache.parent.glob(f"{glob.escape(video.stem)}-????????????.npy"):
                old.unlink()
            with atomic_file(cache) as file:
                rows = ArrayWriter(file, (FRAME_SIZE, FRAME_SIZE), np.uint8)
                for frame in frames(video, stop=count):
                    rows.append(frame)
                if rows.count < count:
                    raise DataError(
                        f"{video} cannot be decoded beyond {rows.count} of {count} frames. Record it again."
                    )
                rows.finish()
        except (OSError, UserError) as error:
            if not (found := os_error(error)):
                raise
            raise UserError(
                f"{video} cannot be decoded into {cache.parent}: {found.strerror}. Copy the recording to where you may "
                f"write and have {count * FRAME_SIZE**2 / 1e9:.1f} GB."
            ) from error
    return np.load(cache, mmap_mode="r")
