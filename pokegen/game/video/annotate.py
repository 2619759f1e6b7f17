"""Labels hours of video with the keys that an inverse dynamics model reads from it, in shards, by Lightning's predict.

Each shard is a few minutes of one video, a file of its own once it is done: a run that was killed resumes after the
shards that exist, and several processes or nodes, which must share the folder, take every nth of them. At the end
the shards of a video become NAME.csv, as recording.py writes it with a column `confidence`, and NAME.parquet. Where
episodes end is not known: each shard is one, so that a part of a video can be held out.

Memory holds one shard, however long the video is.
"""

import glob
import hashlib
import shutil
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pokegen.errors import UserError
from pokegen.files import atomic_file, writable_folder, write_csv
from pokegen.game.video.codec import FPS, VIDEOS, count_frames, frames
from pokegen.game.video.idm import VideoReader
from pokegen.game.video.recording import HEADER
from pokegen.quiet import quiet
from pokegen.trust import echo

COLUMNS = (*HEADER, "confidence")  # the last in [0, 1]: how likely the model holds all keys of the frame to be


class Shard:
    """Frames `start` to `stop` of a video, its `number`th shard, and the file of their labels."""

    def __init__(self, video: Path, start: int, stop: int, folder: Path, number: int = 0):
        self.video, self.start, self.stop, self.number = video, start, stop, number
        self.file = folder / f"{start:09d}-{stop:09d}.csv"


class Shards(Dataset):
    """Shards that are not labelled yet, decoded on access, with `margin` frames or a little more on both sides:
    a model's window, so that labels do not depend on where shards begin. Of fewer than `least` some come twice."""

    def __init__(self, shards: Sequence[Shard], margin: int, least: int = 1):
        todo, self.margin = [s for s in shards if not s.file.is_file()], margin
        self.shards = todo * -(-least // len(todo)) if 0 < len(todo) < least else todo

    def __len__(self) -> int:
        return len(self.shards)

    def __getitem__(self, index: int) -> tuple[Shard, int, Tensor]:
        """The shard, the number of frames before its first, and the frames, uint8 (N, 128, 128)."""
        shard = self.shards[index]
        first = max(0, shard.start - self.margin)
        first -= first % max(1, self.margin // 2)  # windows begin as in the whole video, half a window apart
        pictures = [torch.from_numpy(f) for f in frames(shard.video, start=first, stop=shard.stop + self.margin)]
        if len(pictures) < shard.stop - first:
            raise UserError(f"{shard.video} cannot be decoded beyond {(first + len(pictures)) / FPS:.1f} seconds.")
        return shard, shard.start - first, torch.stack(pictures)


class Annotator(L.LightningModule):
    """Writes the labels of each shard that it is given.

    Args:
        network: in evaluation mode.
    """

    def __init__(self, network: VideoReader):
        super().__init__()
        self.network = network

    def predict_step(self, batch: tuple[Shard, int, Tensor], _: int) -> Path:
        return write_labels(self.network, *batch)


def write_labels(network: VideoReader, shard: Shard, before: int, pictures: Tensor) -> Path:
    """Label a shard, whose first frame is pictures[before], uint8 (N, 128, 128); the path of its CSV."""
    values, sure = network.read(pictures)
    rows = slice(before, before + shard.stop - shard.start)
    pressed = network.keys.decode(values[rows].cpu().numpy())
    labels = zip(range(shard.start, shard.stop), pressed, sure[rows].tolist(), strict=True)
    return write_csv(
        shard.file,
        ((frame, f"{frame / FPS:.4f}", key, 0.0, shard.number, f"{share:.4f}") for frame, key, share in labels),
    )


class AnnotationDataModule(L.LightningDataModule):
    """Videos for `predict` with a KeysModule. After it, the labels of each are NAME.csv and NAME.parquet.

    Args:
        videos: paths, of any size and frame rate.
        out: folder of the labels, which also gets a link to each video, so that it is a folder of recordings; None for
            the folder of each video.
        shard_frames: frames of a shard, 15 a second.
        mark: of the model, so that shards of another are not taken for its own; empty for a hash of its weights.
    """

    def __init__(self, videos: list[str], out: str | None = None, shard_frames: int = 4500, mark: str = ""):
        super().__init__()
        self.videos, self.out, self.shard_frames, self.mark = [Path(v) for v in videos], out, shard_frames, mark
        self.plan: list[list[Shard]] = []

    def setup(self, stage: str) -> None:
        module: Any = self.trainer.lightning_module  # type: ignore[union-attr]
        network = getattr(module, "ema", module.network)
        if not isinstance(network, VideoReader):
            raise UserError(f"A {type(network).__name__} reads no keys: expected an inverse dynamics model.")
        self.margin = network.window
        mark = self.mark or _hash(network)
        self.plan = plan(self.videos, self.margin, mark, Path(self.out) if self.out else None, self.shard_frames)
        for shards in self.plan:
            writable_folder(shards[0].file.parent)

    def predict_dataloader(self) -> DataLoader:
        processes = self.trainer.world_size if self.trainer else 1
        return loader([shard for shards in self.plan for shard in shards], self.margin, processes)

    def teardown(self, stage: str) -> None:
        if stage != "predict" or self.trainer is None:
            return
        self.trainer.strategy.barrier()  # another process may still write
        done = [shards for shards in self.plan if all(shard.file.is_file() for shard in shards)]
        if self.trainer.is_global_zero:
            for table in merge(done):
                echo(table)
            for shards in self.plan:
                if shards not in done:
                    echo(f"{shards[0].video} is not labelled to its end. The same command goes on.", file=sys.stderr)


def _hash(network: VideoReader) -> str:
    digest = hashlib.sha256()
    for value in network.state_dict().values():
        digest.update(value.cpu().numpy().tobytes())
    return digest.hexdigest()[:12]


def loader(shards: Sequence[Shard], margin: int, processes: int) -> DataLoader:
    """Of the shards that are not labelled yet. Lightning's sampler wants one for each process."""
    return DataLoader(Shards(shards, margin, least=processes), batch_size=1, collate_fn=lambda items: items[0])


def plan(videos: Sequence[Path], window: int, mark: str, out: Path | None, shard_frames: int) -> list[list[Shard]]:
    """The shards of each video. UserError for a video that cannot be read, or whose labels are there.

    Args:
        window: of the model, in frames.
        videos, mark, out, shard_frames: see AnnotationDataModule.
    """
    if shard_frames < window:
        raise UserError(f"shard_frames must be at least the model's window, {window}, got {shard_frames}.")
    found: dict[Path, list[Shard]] = {}
    for video in videos:
        folder = out or video.parent
        table = folder / f"{video.stem}.csv"
        work = folder / f".{video.stem}-{mark}-{shard_frames}"
        if table.exists():
            shutil.rmtree(work, ignore_errors=True)  # of an annotation that was killed after its last step but this
            raise UserError(f"{table} exists. Remove it, or choose another folder for the labels.")
        if table in found:
            raise UserError(f"Two videos are called {video.stem}. Annotate them into different folders.")
        count = count_frames(video)
        _check_found(video, table)
        starts = range(0, count, shard_frames)
        found[table] = [
            Shard(video, start, min(start + shard_frames, count), work, n) for n, start in enumerate(starts)
        ]
    return list(found.values())


def merge(plan: Sequence[Sequence[Shard]]) -> list[Path]:
    """Make the labelled shards of each video one CSV and one parquet file, next to the video or a link to it."""
    tables = []
    for shards in plan:
        video, work = shards[0].video, shards[0].file.parent
        table = work.parent / f"{video.stem}.csv"
        if not (neighbour := table.with_suffix(video.suffix)).exists():
            _link(video, neighbour)
        _merge(shards, table)
        shutil.rmtree(work)
        tables.append(table)
    return tables


def annotate(
    videos: Sequence[Path], network: VideoReader, mark: str, out: Path | None, shard_frames: int, **options: Any
) -> list[Path]:
    """Label videos; the paths of their CSV files, none in any process but the first. UserError for a video that cannot
    be read, or whose CSV is there, and for options that Lightning refuses.

    Args:
        network: in evaluation mode.
        videos, mark, out, shard_frames: see AnnotationDataModule.
        options: of Lightning's Trainer: devices, num_nodes, precision, …
    """
    shards = plan(videos, network.window, mark, out, shard_frames)
    quiet()
    bar = options.setdefault("enable_progress_bar", sys.stderr.isatty())  # standard output is for the paths
    try:
        trainer = L.Trainer(
            callbacks=[RichProgressBar(console_kwargs={"stderr": True})] if bar else [],
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            use_distributed_sampler=True,
            **options,
        )
    except (ValueError, MisconfigurationException) as error:  # a precision that is none, GPUs that are not there
        raise UserError(f"{error}") from error
    for each in shards:  # not before videos and options are known to be good
        writable_folder(each[0].file.parent)
    batches = loader([shard for each in shards for shard in each], network.window, trainer.world_size)
    if len(batches):
        trainer.predict(Annotator(network), batches, return_predictions=False)
    trainer.strategy.barrier()
    return merge(shards) if trainer.is_global_zero else []


def _check_found(video: Path, table: Path) -> None:
    """UserError unless a reader of the labels in `table` will find this video."""
    if video.suffix.lower() not in VIDEOS:
        raise UserError(f"A training would not find {video}: end its name in one of {', '.join(VIDEOS)}.")
    neighbours = table.parent.glob(f"{glob.escape(table.stem)}.*") if table.parent.is_dir() else ()
    for other in neighbours:
        if other.suffix.lower() in VIDEOS and not (other.exists() and other.samefile(video)):
            raise UserError(f"{other} has the same name as {video}: choose another folder for the labels.")


def _link(video: Path, place: Path) -> None:
    try:
        place.symlink_to(video.resolve())
    except OSError:  # a disk without links, or a user who may make none
        with open(video, "rb") as whole, atomic_file(place) as copy:
            shutil.copyfileobj(whole, copy)


def _merge(shards: Sequence[Shard], table: Path) -> None:
    """One CSV and one parquet file of all shards, a shard at a time."""
    import pyarrow as pa
    from pyarrow import csv as reader
    from pyarrow import parquet

    names = reader.ReadOptions(column_names=COLUMNS)
    kinds = (pa.int64(), pa.float64(), pa.string(), pa.float64(), pa.int64(), pa.float32())
    schema = pa.schema(list(zip(COLUMNS, kinds, strict=True)))
    options = reader.ConvertOptions(column_types=schema)
    with atomic_file(table) as file, atomic_file(table.with_suffix(".parquet")) as columns:
        file.write((",".join(COLUMNS) + "\n").encode())
        with parquet.ParquetWriter(columns, schema) as rows:
            for shard in shards:
                content = shard.file.read_bytes()
                file.write(content)
                rows.write_table(reader.read_csv(BytesIO(content), names, convert_options=options))
