"""DataModules of images other than sprites: small digits that need no download, MNIST, and faces (CelebA). A batch is

    image       float32 (B, channels, size, size) in [-1, 1], channels-last in memory; digits are white on black
    label       int64 (B,), the digit; for faces, whether they have the attribute, 0 or 1

Digits and MNIST are held in memory, resized once. Faces are decoded when they are fetched: use `num_workers` 2 or more.
"""

import hashlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate
from torch.utils.data import DataLoader, Dataset

from pokegen.data.modules import BalancedSampler, ImageDataModule
from pokegen.data.splits import SPLITS
from pokegen.errors import DataError, UserError
from pokegen.images import FORMATS


class LabelledImages(Dataset):
    """Images and labels; fetches a batch of rows at once.

    Args:
        images: uint8 (N, channels, S, S).
        labels: int64 (N,).
    """

    def __init__(self, images: Any, labels: Tensor):
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {key: value[0] for key, value in self.__getitems__([index]).items()}

    def __getitems__(self, indices: list[int]) -> dict[str, Tensor]:
        image = self.fetch(indices).contiguous(memory_format=torch.channels_last)
        return {"image": image.float().div_(127.5).sub_(1), "label": self.labels[indices]}

    def fetch(self, indices: list[int]) -> Tensor:
        """uint8 (B, channels, S, S)."""
        return self.images[indices]


class Faces(LabelledImages):
    """LabelledImages from files: the central 178×178 pixels, resized to `size`."""

    def __init__(self, images: list[Path], labels: Tensor, size: int):
        super().__init__(images, labels)
        self.size = size

    def fetch(self, indices: list[int]) -> Tensor:
        return torch.stack([self._face(self.images[i]) for i in indices])

    def _face(self, path: Path) -> Tensor:
        try:
            with Image.open(path, formats=FORMATS) as picture:
                left, top = ((side - 178) // 2 for side in picture.size)
                box = (left, top, left + 178, top + 178)
                face = picture.convert("RGB").resize((self.size, self.size), Image.Resampling.BILINEAR, box=box)
        except (OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read as a picture. Unpack img_align_celeba.zip again.") from error
        return torch.from_numpy(np.array(face)).permute(2, 0, 1)


class ShuffledSampler(BalancedSampler):
    """`length` rows per epoch; none repeats before all have been used. Several processes share the rows."""

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        rows = len(self.weights)
        rounds = [torch.randperm(rows, generator=generator) for _ in range(-(-self.total_size // rows))]
        return iter(torch.cat(rounds)[self.rank : self.total_size : self.num_replicas].tolist())


class TeachingDataModule(ImageDataModule):
    """Shared by the three modules below: fixed splits, seeded order, no augmentation.

    Args:
        size: side of the images in pixels.
        batch_size: images per batch.
        epoch_images: images per epoch, over all processes; None for the whole training set, once.
        num_workers: worker processes.
        seed: of the order of the training images.
    """

    channels = 1

    def __init__(
        self, size: int = 28, batch_size: int = 64, epoch_images: int | None = None, num_workers: int = 0, seed: int = 0
    ):
        super().__init__()
        for name, value in {"size": size, "batch_size": batch_size, "epoch_images": epoch_images}.items():
            if value is not None and value < 1:
                raise UserError(f"{name} must be 1 or more, got {value}.")
        self.batch_size, self.epoch_images, self.num_workers, self.seed = batch_size, epoch_images, num_workers, seed
        self.image_shape = (self.channels, size, size)
        self.datasets: dict[str, LabelledImages] = {}
        self.data_hash = ""  # for the run's record

    def load(self) -> dict[str, LabelledImages]:
        """The datasets by split; sets `data_hash`."""
        raise NotImplementedError

    def setup(self, stage: str) -> None:
        self.datasets = self.datasets or self.load()

    def train_dataloader(self) -> DataLoader:
        rows = np.arange(len(self.datasets["train"]))
        return self._loader("train", sampler=ShuffledSampler(rows, self.epoch_images or len(rows), self.seed))

    def _split(self, images: Tensor, labels: Tensor, rows: dict[str, Tensor]) -> dict[str, LabelledImages]:
        """Grey images, float (N, S, S) from 0 to 255, and their labels (N,), resized and split by `rows`."""
        size = self.image_shape[-1]
        pixels = images[:, None].float()
        if pixels.shape[-1] != size:
            pixels = interpolate(pixels, (size, size), mode="bilinear", antialias=True)
        pixels, labels = pixels.round().clamp(0, 255).byte(), labels.long()
        self.data_hash = _sha256(pixels.numpy().tobytes(), labels.numpy().tobytes())
        return {split: LabelledImages(pixels[chosen], labels[chosen]) for split, chosen in rows.items()}


class DigitsDataModule(TeachingDataModule):
    """The 1,797 handwritten digits of 8×8 pixels that come with scikit-learn, enlarged: 1,257 for training, 270 each
    for validation and test, split by a fixed permutation.

    Source: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI (1998), its test set.

    Args:
        kwargs: see TeachingDataModule.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)

    def load(self) -> dict[str, LabelledImages]:
        from sklearn.datasets import load_digits

        digits = load_digits()
        order = torch.randperm(len(digits.target), generator=torch.Generator().manual_seed(0))
        parts = dict(zip(SPLITS, order.split([1257, 270, 270]), strict=True))
        return self._split(torch.from_numpy(digits.images) * 255 / 16, torch.from_numpy(digits.target), parts)


class MNISTDataModule(TeachingDataModule):
    """MNIST (LeCun et al. 1998): 55,000 handwritten digits for training, the last 5,000 of its training set for
    validation, its own 10,000 for test; resized if `size` is not 28.

    Args:
        root: folder with MNIST/raw, which contains torchvision's four idx files.
        download: fetch them (12 MB) if they are missing.
        kwargs: see TeachingDataModule.
    """

    held_out = 5_000

    def __init__(self, root: str = "data", download: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.root, self.download = Path(root), download

    def prepare_data(self) -> None:
        if self.download:
            from torchvision.datasets import MNIST

            try:
                MNIST(str(self.root), download=True)
            except (RuntimeError, OSError) as error:
                raise DataError(_undelivered("MNIST", error, self.root / "MNIST" / "raw")) from error

    def load(self) -> dict[str, LabelledImages]:
        from torchvision.datasets import MNIST

        try:
            train, test = (MNIST(str(self.root), train=train) for train in (True, False))
        except (RuntimeError, OSError, ValueError, KeyError, AssertionError) as error:
            raise DataError(
                f"{self.root / 'MNIST' / 'raw'} does not contain MNIST's four idx files. Empty it, and download them "
                "(12 MB) with --data.download true."
            ) from error
        images, labels = torch.cat([train.data, test.data]), torch.cat([train.targets, test.targets])
        sizes = [len(train) - self.held_out, self.held_out, len(test)]
        return self._split(images, labels, dict(zip(SPLITS, torch.arange(len(labels)).split(sizes), strict=True)))


class CelebADataModule(TeachingDataModule):
    """CelebFaces Attributes (Liu et al., Deep Learning Face Attributes in the Wild, ICCV 2015): 202,599 aligned faces,
    RGB, the central 178×178 pixels resized; its own splits, by person. For non-commercial research only.

    Args:
        root: folder with celeba, in torchvision's layout.
        size: side of the images in pixels, 64 or 128.
        attribute: the label, one of the 40, such as Smiling, Male, Eyeglasses.
        download: fetch it (1.4 GB, from Google Drive) if it is missing; needs gdown.
        kwargs: see TeachingDataModule.
    """

    channels = 3

    def __init__(
        self, root: str = "data", size: int = 64, attribute: str = "Smiling", download: bool = False, **kwargs: Any
    ):
        if size not in (64, 128):
            raise UserError(f"size must be 64 or 128 for faces, got {size}.")
        super().__init__(size=size, **kwargs)
        self.root, self.attribute, self.download = Path(root), attribute, download

    def prepare_data(self) -> None:
        if self.download:
            from torchvision.datasets import CelebA

            try:
                CelebA(str(self.root), download=True)
            except Exception as error:  # gdown has its own error classes
                if not find_spec("gdown"):
                    raise UserError("torchvision needs gdown to download CelebA: pip install gdown.") from error
                raise DataError(_undelivered("CelebA", error, self.root / "celeba")) from error

    def load(self) -> dict[str, LabelledImages]:
        from torchvision.datasets import CelebA

        folder = self.root / "celeba"
        try:
            faces = CelebA(str(self.root), split="all")
            lists = [(folder / f"list_{name}.txt").read_bytes() for name in ("eval_partition", "attr_celeba")]
        except (RuntimeError, OSError, ValueError) as error:
            raise DataError(
                f"{folder} does not contain CelebA: img_align_celeba/ and the five lists of its site, unaltered. "
                "Download it (1.4 GB) with --data.download true."
            ) from error
        known = [name for name in faces.attr_names if name]
        if self.attribute not in known:
            raise UserError(f"Unknown attribute {self.attribute!r}. Known attributes: {', '.join(known)}.")
        self.data_hash = _sha256(*lists)
        labels = faces.attr[:, known.index(self.attribute)].long()
        part = np.array([int(line.split()[1]) for line in lists[0].decode().splitlines() if line])
        files, size = [folder / "img_align_celeba" / name for name in faces.filename], self.image_shape[-1]
        rows = {split: np.flatnonzero(part == i) for i, split in enumerate(SPLITS)}
        return {split: Faces([files[i] for i in r], labels[r], size) for split, r in rows.items()}


def _sha256(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _undelivered(name: str, error: Exception, place: Path) -> str:
    detail = "; ".join(line.strip() for line in str(error).splitlines() if line.strip()) or type(error).__name__
    return f"{name} cannot be downloaded: {detail[:200]}. Try again online, or put its files into {place}."
