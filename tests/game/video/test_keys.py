"""Keys are told apart and joined again, and errors at rare keys count as they are meant to."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from lamps import GROUPS

from pokegen.errors import UserError
from pokegen.game.video.keys import KeyNetwork, Keys

# ------------------------------------------------------------------------------------------------------- vocabulary


def test_each_combination_comes_back():
    keys = Keys(GROUPS)
    every = ["none", "left", "right", "fire", "left+fire", "right+fire"]
    values = keys.encode(every)
    assert keys.sizes == (3, 2)
    assert values.dtype == np.int64
    assert values.tolist() == [[0, 0], [1, 0], [2, 0], [0, 1], [1, 1], [2, 1]]
    assert keys.decode(values) == every


def test_order_of_joined_keys_does_not_matter():
    keys = Keys(GROUPS)
    values = keys.encode(["fire+right", "right+fire"])
    assert values.tolist() == [[2, 1]] * 2
    assert keys.decode(values) == ["right+fire"] * 2


def test_nothing_is_nothing():
    keys = Keys(GROUPS)
    assert keys.encode([]).shape == (0, 2)
    assert keys.decode(np.zeros((0, 2), int)) == []


@pytest.mark.parametrize(
    ("pressed", "message"),
    [
        ("jump", r"Unknown key 'jump'\. This model's keys: none, left, right, fire; set others as its groups"),
        ("left+jump", "Unknown key 'jump'"),
        ("left+none", "Unknown key 'none'"),
        ("", "Unknown key ''"),
        ("left+right", r"'left\+right' presses two keys of one group"),
        ("fire+fire", "two keys of one group"),
    ],
)
def test_keys_of_no_group_and_two_of_one_are_refused(pressed, message):
    with pytest.raises(UserError, match=message) as caught:
        Keys(GROUPS).encode(["none", pressed])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({}, "groups holds no key. Expected, for example"),
        ({"move": []}, "at least one key besides none"),
        ({"move": ["left"], "fire": []}, "at least one key besides none"),
        ({"move": ["left", "left"]}, "names of their own.*'left'"),
        ({"move": ["left"], "turn": ["left"]}, "names of their own.*'left'"),
        ({"move": ["none", "left"]}, "got 'none'"),
        ({"move": ["left+fire"]}, r"got 'left\+fire'"),
        ({"move": [""]}, "got ''"),
    ],
)
def test_groups_that_cannot_be_told_apart_are_refused(groups, message):
    with pytest.raises(UserError, match=message) as caught:
        Keys(groups)
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------------------------------------------------------- loss

SHARES = (0.5, 0.375, 0.125), (0.75, 0.25)  # of the keys below, group by group
PRESSED = torch.tensor([[0, 0], [0, 0], [0, 1], [0, 0], [1, 0], [1, 1], [1, 0], [2, 0]]).view(2, 4, 2)  # (B, T, G)


def network(balance=0.0, focal=0.0, groups=GROUPS):
    net = KeyNetwork(groups, 4, balance, focal)
    net.frequency.copy_(torch.tensor([share for group in SHARES for share in group][: len(net.frequency)]))
    return net


def batch(keys=PRESSED, mask=None):
    return {"keys": keys, "mask": torch.ones(keys.shape[:2], dtype=torch.bool) if mask is None else mask}


def logits(seed=0, rows=2, frames=4):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(rows, frames, n, generator=generator) for n in (3, 2)]


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_a_model_that_knows_nothing_pays_the_logarithm_of_the_choices(balance):
    """On keys as frequent as in training, whatever the weights: a frame counts 1 on average."""
    uniform = [torch.zeros(2, 4, n) for n in (3, 2)]
    assert network(balance).nats(uniform, batch()).item() == pytest.approx(math.log(3) + math.log(2), rel=1e-6)
    untold = KeyNetwork(GROUPS, 4, balance, 0.0)  # before `prepare`, all keys count alike
    first = [answer[:1] for answer in uniform]
    assert untold.nats(first, batch(PRESSED[:1])).item() == pytest.approx(math.log(6), rel=1e-6)


def test_balance_1_makes_all_keys_equal():
    """A key's frames together count 1 / K."""
    net = network(1.0, groups={"move": ["left", "right"]})
    for value, share in enumerate(SHARES[0]):
        loss = net.nats([torch.zeros(1, 1, 3)], batch(torch.tensor([[[value]]])))
        assert share * loss.item() == pytest.approx(math.log(3) / 3, rel=1e-6)


def test_balance_is_the_exponent_of_the_frequency():
    net = network(0.5, groups={"move": ["left", "right"]})
    none, left, right = (net.nats([torch.zeros(1, 1, 3)], batch(torch.tensor([[[v]]]))).item() for v in range(3))
    assert right / none == pytest.approx((0.125 / 0.5) ** -0.5)
    assert left / none == pytest.approx((0.375 / 0.5) ** -0.5)


def test_a_key_that_was_never_pressed_weighs_something_finite():
    net = network(1.0, groups={"move": ["left", "right"]})
    net.frequency.copy_(torch.tensor([0.5, 0.5, 0.0]))
    assert 1 < net.nats([torch.zeros(1, 1, 3)], batch(torch.tensor([[[2]]]))).item() < 1e5


def test_plain_settings_are_the_cross_entropy_of_torch():
    answers = logits()
    expected = sum(
        F.cross_entropy(a.flatten(0, 1), k.flatten()) for a, k in zip(answers, PRESSED.unbind(2), strict=True)
    )
    torch.testing.assert_close(network().nats(answers, batch()), expected)


def test_frames_that_do_not_count_do_not_matter():
    answers, mask = logits(), torch.tensor([[True, False, True, True], [False, False, True, False]])
    other = torch.where(mask[..., None], PRESSED, (PRESSED + 1) % torch.tensor([3, 2]))
    assert not other.equal(PRESSED)
    net = network(0.5, 2.0)
    loss = net.nats(answers, batch(mask=mask))
    assert loss == net.nats(answers, batch(other, mask))
    assert loss != net.nats(answers, batch(other))
    kept = net.nats([a[mask][None] for a in answers], batch(PRESSED[mask][None]))  # as if the others were not there
    torch.testing.assert_close(loss, kept)


def test_a_batch_in_which_nothing_counts_costs_nothing():
    answers = [a.requires_grad_() for a in logits()]
    loss = network(0.5).nats(answers, batch(mask=torch.zeros(2, 4, dtype=torch.bool)))
    loss.backward()
    assert loss.item() == 0
    assert all((a.grad == 0).all() for a in answers)


@pytest.mark.parametrize("focal", [0.5, 1.0, 2.0])
def test_focal_eases_what_is_told_well(focal):
    """−(1 − p)^γ log p: Lin et al. 2017, equation 4."""
    for p in (0.1, 0.5, 0.99):
        answer = torch.tensor([[[math.log(p), math.log(1 - p)]]])
        net = KeyNetwork({"fire": ["fire"]}, 4, 0.0, focal)
        loss = net.nats([answer], batch(torch.tensor([[[0]]]))).item()
        assert loss == pytest.approx(-((1 - p) ** focal) * math.log(p), rel=1e-4)


def test_focal_has_a_gradient_where_a_key_is_certain():
    answer = torch.tensor([[[60.0, -60.0]]], requires_grad=True)
    KeyNetwork({"fire": ["fire"]}, 4, 0.0, 0.5).nats([answer], batch(torch.tensor([[[0]]]))).backward()
    assert answer.grad.isfinite().all()


# --------------------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("window", "balance", "focal", "message"),
    [
        (0, 0.5, 0.0, "window must be at least one frame, got 0"),
        (4, 1.5, 0.0, "balance must be from 0 to 1.*got 1.5 and 0.0"),
        (4, -0.1, 0.0, "balance must be from 0 to 1"),
        (4, 0.5, -1.0, "focal at least 0"),
    ],
)
def test_settings_out_of_range_are_refused(window, balance, focal, message):
    with pytest.raises(UserError, match=message):
        KeyNetwork(GROUPS, window, balance, focal)


class Data:
    """What `prepare` asks a DataModule for."""

    def __init__(self, groups, window=4):
        self.keys, self.window = Keys(groups), window
        self.frequencies = [np.array(share) for share in SHARES]


def test_frequencies_come_from_the_training_recordings():
    net = KeyNetwork(GROUPS, 4, 0.5, 0.0)
    assert net.frequency.tolist() == pytest.approx([1 / 3] * 3 + [1 / 2] * 2)
    net.prepare(Data(GROUPS))
    assert net.frequency.tolist() == pytest.approx([*SHARES[0], *SHARES[1]])


@pytest.mark.parametrize(
    "data",
    [
        Data({"move": ["right", "left"], "fire": ["fire"]}),
        Data({"fire": ["fire"], "move": ["left", "right"]}),  # the same groups, other columns
        Data(GROUPS, window=8),
    ],
)
def test_data_of_other_keys_are_refused(data):
    with pytest.raises(UserError, match="groups and window must be the same in model and data"):
        KeyNetwork(GROUPS, 4, 0.5, 0.0).prepare(data)
