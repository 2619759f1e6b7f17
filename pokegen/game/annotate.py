"""Labels hours of video with the keys that an inverse dynamics model reads from it, in shards, by Lightning's predict.

Each shard is a few minutes of one video, a file of its own once it is done: a run that was killed goes on behind the
shards that are there, and several processes or nodes, which must share the folder, take every nth of them. At the end
the shards of a video become NAME.csv, as recording.py writes it with a column `confidence`, and NAME.parquet.

Memory holds one shard, however long the video is.
"""

import csv
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pokegen.errors import UserError
from pokegen.game.idm import VideoReader
from pokegen.game.recording import FPS, HEADER, count_frames, frames

COLUMNS = (*HEADER, "confidence")  # the last in [0, 1]: how likely the model holds all keys of the frame to be


class Shard:
    """Frames `start` to `stop` of a video, and the file of their labels."""

    def __init__(self, video: Path, start: int, stop: int, folder: Path):
        self.video, self.start, self.stop = video, start, stop
        self.file = folder / f"{start:09d}-{stop:09d}.csv"


class Shards(Dataset):
    """Shards that are not labelled yet, decoded when asked for, with `margin` frames more on both sides."""

    def __init__(self, shards: Sequence[Shard], margin: int):
        self.shards, self.margin = [s for s in shards if not s.file.is_file()], margin

    def __len__(self) -> int:
        return len(self.shards)

    def __getitem__(self, index: int) -> tuple[Shard, int, Tensor]:
        """The shard, how many frames stand before its first, and the frames, uint8 (N, 128, 128)."""
        shard = self.shards[index]
        first = max(0, shard.start - self.margin)
        pictures = [torch.from_numpy(f) for f in frames(shard.video, start=first, stop=shard.stop + self.margin)]
        if len(pictures) < shard.stop - first:
            raise UserError(f"{shard.video} cannot be decoded beyond {(first + len(pictures)) / FPS:.1f} seconds.")
        return shard, shard.start - first, torch.stack(pictures)


class Annotator(L.LightningModule):
    """Writes the labels of each shard that it is given."""

    def __init__(self, network: VideoReader):
        super().__init__()
        self.network = network

    def predict_step(self, batch: tuple[Shard, int, Tensor], _: int) -> None:
        shard, before, pictures = batch
        values, sure = self.network.read(pictures)
        rows = slice(before, before + shard.stop - shard.start)
        pressed = self.network.keys.decode(values[rows].cpu().numpy())
        part = shard.file.with_suffix(f".{os.getpid()}.part")
        with open(part, "w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file, lineterminator="\n")
            for frame, key, share in zip(range(shard.start, shard.stop), pressed, sure[rows].tolist(), strict=True):
                lines.writerow((frame, f"{frame / FPS:.4f}", key, 0.0, 0, f"{share:.4f}"))
        os.replace(part, shard.file)


def annotate(
    videos: Sequence[Path], network: VideoReader, mark: str, out: Path | None, shard_frames: int, **options: Any
) -> list[Path]:
    """Label videos; the paths of their CSV files. UserError for a video that cannot be read, or whose CSV is there.

    Args:
        videos: of any size and rate.
        network: in evaluation mode.
        mark: of the model, so that shards of another are not taken for its own.
        out: folder of the labels, which also gets a link to each video, so that it is a folder of recordings; None for
            the folder of each video.
        shard_frames: frames of a shard, 15 a second.
        options: of Lightning's Trainer: devices, num_nodes, precision, …
    """
    if shard_frames < network.window:
        raise UserError(f"shard_frames must be at least the model's window, {network.window}, got {shard_frames}.")
    trainer = L.Trainer(
        logger=False, enable_checkpointing=False, enable_model_summary=False, use_distributed_sampler=True, **options
    )
    labels, plan = [], []
    for video in videos:
        folder = out or video.parent
        table = folder / f"{video.stem}.csv"
        if table.exists():
            raise UserError(f"{table} exists. Remove it, or name another folder with --out.")
        if table in labels:
            raise UserError(f"Two videos are called {video.stem}. Annotate them into different folders.")
        count = count_frames(video)
        work = folder / f".{video.stem}-{mark}-{shard_frames}"
        work.mkdir(parents=True, exist_ok=True)
        starts = range(0, count, shard_frames)
        plan.append([Shard(video, start, min(start + shard_frames, count), work) for start in starts])
        labels.append(table)
    shards = Shards([shard for each in plan for shard in each], margin=network.window)
    if len(shards):
        loader = DataLoader(shards, batch_size=1, collate_fn=lambda items: items[0])
        trainer.predict(Annotator(network), loader, return_predictions=False)
    trainer.strategy.barrier()
    if trainer.is_global_zero:
        for video, each, table in zip(videos, plan, labels, strict=True):
            _merge(each, table)
            beside = table.with_suffix(video.suffix)
            if not beside.exists():
                beside.symlink_to(video.resolve())
            shutil.rmtree(each[0].file.parent)
    return labels


def _merge(shards: Sequence[Shard], table: Path) -> None:
    """One CSV and one parquet file of all shards, a shard at a time."""
    import pyarrow as pa
    from pyarrow import csv as reader
    from pyarrow import parquet

    part = table.with_suffix(".part")
    parquet_part = table.with_suffix(".parquet.part")
    names = reader.ReadOptions(column_names=COLUMNS)
    kinds = (pa.int64(), pa.float64(), pa.string(), pa.float64(), pa.int64(), pa.float32())
    schema = pa.schema(list(zip(COLUMNS, kinds, strict=True)))
    options = reader.ConvertOptions(column_types=schema)
    with open(part, "w", encoding="utf-8") as file, parquet.ParquetWriter(parquet_part, schema) as rows:
        file.write(",".join(COLUMNS) + "\n")
        for shard in shards:
            file.write(shard.file.read_text(encoding="utf-8"))
            rows.write_table(reader.read_csv(shard.file, names, convert_options=options))
    os.replace(parquet_part, table.with_suffix(".parquet"))
    os.replace(part, table)
