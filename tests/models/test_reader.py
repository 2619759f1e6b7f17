"""The reader: distributions over columns, that follow the parts of a name."""

import pytest
import torch

from pokegen.data.reader_data import ReaderDataModule
from pokegen.errors import UserError
from pokegen.models.reader import CODES, NUMBERS, Reader
from pokegen.schema import TYPES
from pokegen.zoo import load


@pytest.fixture(scope="module")
def data():
    data = ReaderDataModule(words=0, epoch_names=2560, batch_size=256, real=0.2)
    data.setup("fit")
    return data


def test_a_reading_is_distributions_and_positive_numbers():
    codes, numbers = Reader(buckets=256).eval().read("pyrodrake")
    assert {key: len(values) for key, values in codes.items()} == CODES
    assert all(float(values.sum()) == pytest.approx(1, abs=1e-5) for values in codes.values())
    assert numbers.shape == (len(NUMBERS),) and (numbers > 0).all()


@pytest.mark.parametrize("name", ["", "Pyro", "pyro drake", "flabébé"])
def test_other_signs_are_refused_in_one_line(name):
    with pytest.raises(UserError, match="lower-case letters") as error:
        Reader(buckets=256).read(name)
    assert "\n" not in str(error.value)


def test_training_on_the_lexicon_reads_blends_that_it_never_saw(data):
    torch.manual_seed(0)
    model = Reader(buckets=2**14)
    model.prepare(data)
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3)
    losses = []
    for _ in range(6):
        for batch in data.train_dataloader():
            optimizer.zero_grad()
            loss = model.loss(batch)["loss"]
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert losses[-1] < losses[0]
    model.eval()
    for name, kind in (("pyroling", "Fire"), ("leafstone", "Grass"), ("venomwing", "Poison")):
        assert TYPES[model.read(name)[0]["type1"].argmax()] == kind
    assert model.usual("type1").sum() == pytest.approx(1, abs=1e-4)


def test_what_only_real_names_teach_does_not_move_the_runs(data):
    model = Reader(buckets=256)
    model.prepare(data)
    _, numbers = model(["pyrodrake"])
    numbers.sum().backward()
    assert model.runs.weight.grad is None or not model.runs.weight.grad.any()
    assert model.others.weight.grad.abs().sum() > 0


def test_the_shipped_reader_beats_the_majority_on_unseen_families(data):
    model = load("reader").model
    for split in ("val", "test"):
        columns = data.columns[split]
        right = model.loss(columns)["top1"]
        usual = (columns["type1"].argmax(dim=1) == model.usual("type1").argmax()).float().mean()
        assert right > usual + 0.08
