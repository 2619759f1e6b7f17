"""Digits, MNIST and faces, from what comes with scikit-learn and from small fakes of the downloads."""

import struct

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

from pokegen.data import teaching
from pokegen.data.teaching import CelebADataModule, DigitsDataModule, MNISTDataModule
from pokegen.errors import DataError, UserError

ATTRIBUTES = ("Bald", "Smiling", "Young")
PARTS = [0] * 6 + [1] * 3 + [2] * 3  # of the faces: train, val, test


@pytest.fixture
def mnist(tmp_path, monkeypatch):
    """30 images of training, image i evenly of brightness i and labelled i % 10; 10 of test, from 200 on."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, values in (("train", np.arange(30)), ("t10k", np.arange(200, 210))):
        images = np.repeat(values, 28 * 28).astype(np.uint8)
        labels = (values % 10).astype(np.uint8)
        (raw / f"{name}-images-idx3-ubyte").write_bytes(
            struct.pack(">4i", 2051, len(values), 28, 28) + images.tobytes()
        )
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 2049, len(values)) + labels.tobytes())
    monkeypatch.setattr(MNISTDataModule, "held_out", 5)
    return tmp_path


@pytest.fixture
def celeba(tmp_path, monkeypatch):
    """12 faces of 178×218: face i is red, i to 255, on a blue rim above and below; every third smiles."""
    folder = tmp_path / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    names = [f"{i + 1:06d}.jpg" for i in range(len(PARTS))]
    for i, name in enumerate(names):
        picture = np.zeros((218, 178, 3), np.uint8)
        picture[:, :, 2] = 255
        picture[20:198] = (20 * i, 0, 0)
        Image.fromarray(picture).save(folder / "img_align_celeba" / name, quality=95, subsampling=0)
    smiles = [[-1, 1 if i % 3 == 0 else -1, 1] for i in range(len(names))]
    for file, head, rows in (
        ("list_eval_partition", [], [[part] for part in PARTS]),
        ("identity_CelebA", [], [[1]] * len(names)),
        ("list_bbox_celeba", [len(names), "image_id x_1"], [[0] * 4] * len(names)),
        ("list_landmarks_align_celeba", [len(names), "x"], [[0] * 10] * len(names)),
        ("list_attr_celeba", [len(names), " ".join(ATTRIBUTES) + " "], smiles),
    ):
        lines = [f"{name}  {' '.join(map(str, row))}" for name, row in zip(names, rows, strict=True)]
        (folder / f"{file}.txt").write_text("\n".join([*map(str, head), *lines]) + "\n")
    monkeypatch.setattr(datasets.CelebA, "_check_integrity", lambda self: True)  # the lists have fixed hashes
    return tmp_path


def ready(module):
    module.prepare_data()
    module.setup("fit")
    return module


def one_line(error) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture
def modules(mnist, celeba):
    return {
        "digits": ready(DigitsDataModule(batch_size=4)),
        "mnist": ready(MNISTDataModule(str(mnist), batch_size=4)),
        "celeba": ready(CelebADataModule(str(celeba), batch_size=4)),
    }


@pytest.mark.parametrize("name", ["digits", "mnist", "celeba"])
def test_a_batch_holds_images_and_labels(modules, name):
    module = modules[name]
    for loader in (module.train_dataloader(), module.val_dataloader(), module.test_dataloader()):
        batch = next(iter(loader))
        image, label = batch["image"], batch["label"]
        assert set(batch) == {"image", "label"}
        assert image.shape[1:] == module.image_shape == ((3, 64, 64) if name == "celeba" else (1, 28, 28))
        assert image.dtype == torch.float32
        assert -1 <= image.min() <= image.max() <= 1
        assert image.min() < 0 or name == "mnist"  # whose fake test images are all light
        assert image.is_contiguous(memory_format=torch.channels_last)
        assert label.shape == (len(image),)
        assert label.dtype == torch.int64
        assert 0 <= label.min() <= label.max() < (2 if name == "celeba" else 10)
    assert len(module.data_hash) == 64


@pytest.mark.parametrize("name", ["digits", "mnist", "celeba"])
def test_an_epoch_is_the_training_set_once_in_an_order_of_its_own(modules, name):
    module = modules[name]
    loader = module.train_dataloader()
    assert sum(len(batch["label"]) for batch in loader) == len(module.datasets["train"])
    orders = []
    for epoch in (0, 1, 0):
        loader.sampler.set_epoch(epoch)
        orders.append(list(loader.sampler))
    assert sorted(orders[0]) == list(range(len(module.datasets["train"])))
    assert orders[0] == orders[2] != orders[1]
    assert list(module.val_dataloader().sampler) == list(range(len(module.datasets["val"])))


@pytest.mark.parametrize("images", [10, 3000])
def test_epochs_are_counted_in_images(images):
    module = ready(DigitsDataModule(batch_size=8, epoch_images=images, seed=1))
    drawn = list(module.train_dataloader().sampler)
    assert len(drawn) == images
    counts = np.bincount(drawn, minlength=1257)
    assert counts.max() - counts.min() <= 1  # none again before all have come
    assert list(ready(DigitsDataModule(epoch_images=images, seed=2)).train_dataloader().sampler) != drawn


def test_processes_share_an_epoch(monkeypatch):
    module = ready(DigitsDataModule(epoch_images=100))
    alone = list(module.train_dataloader().sampler)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    parts = []
    for rank in (0, 1):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        parts.append(list(module.train_dataloader().sampler))
    assert [i for pair in zip(*parts, strict=True) for i in pair] == alone


def test_the_digits_are_split_once_and_for_all():
    first, second = (ready(DigitsDataModule(seed=seed)) for seed in (0, 1))
    assert {split: len(dataset) for split, dataset in first.datasets.items()} == {
        "train": 1257,
        "val": 270,
        "test": 270,
    }
    assert all(d.images.equal(second.datasets[split].images) for split, d in first.datasets.items())
    pictures = {split: {image.numpy().tobytes() for image in d.images} for split, d in first.datasets.items()}
    assert not pictures["train"] & pictures["val"]
    assert not pictures["test"] & (pictures["train"] | pictures["val"])
    assert sum(map(len, pictures.values())) == 1797  # which are all different
    for dataset in first.datasets.values():
        assert set(dataset.labels.tolist()) == set(range(10))
    assert first.data_hash == second.data_hash != ready(DigitsDataModule(size=32)).data_hash


def test_digits_are_white_on_black_at_the_asked_size():
    from sklearn.datasets import load_digits

    module = ready(DigitsDataModule(size=8))
    ours = np.concatenate([d.images.numpy()[:, 0] for d in module.datasets.values()]) / 255 * 16
    theirs = load_digits().images
    assert np.allclose(np.sort(ours, axis=0), np.sort(theirs, axis=0), atol=0.04)
    image = ready(DigitsDataModule(size=32)).datasets["train"][0]["image"]
    assert image.shape == (1, 32, 32)
    assert image[:, 0, 0] == -1
    assert image.max() > 0.8


def test_mnist_is_split_as_it_comes(mnist):
    module = ready(MNISTDataModule(str(mnist)))
    light = {split: d.images[:, 0, 0, 0].tolist() for split, d in module.datasets.items()}
    assert light == {"train": list(range(25)), "val": list(range(25, 30)), "test": list(range(200, 210))}
    for dataset in module.datasets.values():
        assert dataset.labels.equal(dataset.images[:, 0, 0, 0] % 10)
    assert module.datasets["test"][0]["image"].unique().tolist() == pytest.approx([200 / 127.5 - 1])


def test_faces_are_cropped_labelled_and_split_by_the_lists(celeba):
    module = ready(CelebADataModule(str(celeba)))
    sets = module.datasets
    assert [len(sets[split]) for split in ("train", "val", "test")] == [6, 3, 3]
    assert [sets[split].labels.tolist() for split in ("train", "val")] == [[1, 0, 0, 1, 0, 0], [1, 0, 0]]
    for split, first in (("train", 0), ("val", 6), ("test", 9)):
        for i in range(len(sets[split])):
            red, green, blue = (sets[split][i]["image"] + 1) * 127.5
            assert red.mean() == pytest.approx(20 * (first + i), abs=4)
            assert green.mean() < 8
            assert blue.mean() < 8  # nothing of the rim
    assert ready(CelebADataModule(str(celeba), attribute="Young")).datasets["train"].labels.tolist() == [1] * 6
    assert ready(CelebADataModule(str(celeba), size=128)).datasets["val"][0]["image"].shape == (3, 128, 128)
    listed = celeba / "celeba" / "list_attr_celeba.txt"
    listed.write_text(listed.read_text().replace("000001.jpg  -1 1", "000001.jpg  1 1"))
    assert ready(CelebADataModule(str(celeba))).data_hash != module.data_hash


def test_a_wrong_setting_is_told(celeba):
    with pytest.raises(UserError, match="Unknown attribute") as error:
        ready(CelebADataModule(str(celeba), attribute="Smilng"))
    assert one_line(error) == "Unknown attribute 'Smilng'. Known attributes: Bald, Smiling, Young."
    with pytest.raises(UserError, match="size must be 64 or 128 for faces, got 28"):
        CelebADataModule(size=28)
    for name in ("size", "batch_size", "epoch_images"):
        with pytest.raises(UserError, match=f"^{name} must be 1 or more, got 0"):
            DigitsDataModule(**{name: 0})


def test_missing_data_say_how_to_get_them(tmp_path, mnist):
    for module, place in ((MNISTDataModule, "MNIST/raw"), (CelebADataModule, "celeba")):
        with pytest.raises(DataError, match=r"--data\.download true") as error:
            ready(module(str(tmp_path / "nowhere")))
        assert f"nowhere/{place} does not contain" in one_line(error)
    file = mnist / "MNIST" / "raw" / "train-images-idx3-ubyte"
    for content in (b"", file.read_bytes()[:500], b"<html>no such page</html>"):
        file.write_bytes(content)
        with pytest.raises(DataError, match="four idx files") as error:
            ready(MNISTDataModule(str(mnist)))
        one_line(error)


def test_a_download_happens_only_when_asked_and_its_failure_is_one_line(tmp_path, monkeypatch):
    asked = []

    def fail(self):
        asked.append(type(self).__name__)
        raise RuntimeError("Error downloading it:\nTried one mirror, got:\nno network\n")

    monkeypatch.setattr(datasets.MNIST, "download", fail)
    monkeypatch.setattr(datasets.CelebA, "download", fail)
    monkeypatch.setattr(teaching, "find_spec", lambda name: True)
    for module in (MNISTDataModule, CelebADataModule):
        module(str(tmp_path)).prepare_data()
        assert asked == []
        with pytest.raises(DataError, match="cannot be downloaded: Error downloading it:; Tried one mirror") as error:
            module(str(tmp_path), download=True).prepare_data()
        one_line(error)
        asked.clear()
    monkeypatch.setattr(teaching, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="needs gdown to download CelebA: pip install gdown") as error:
        CelebADataModule(str(tmp_path), download=True).prepare_data()
    one_line(error)


def test_a_face_that_cannot_be_read_is_named(celeba):
    module = ready(CelebADataModule(str(celeba)))
    (celeba / "celeba" / "img_align_celeba" / "000003.jpg").write_bytes(b"cut")
    module.datasets["train"][1]
    with pytest.raises(DataError, match=r"000003\.jpg cannot be read as a picture") as error:
        module.datasets["train"][2]
    one_line(error)
