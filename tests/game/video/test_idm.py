"""Inverse dynamics models look both ways in time, and read a video of any length, each frame once."""

import pytest
import torch
import yaml
from lamps import GROUPS

from pokegen.errors import UserError
from pokegen.game.video.idm import AROUND, FirstInverseDynamics, InverseDynamics, VideoReader, around
from pokegen.resources import shipped

TINY = {"stem_width": 4, "stem_stride": 8, "stacks": (4,), "width": 16, "layers": 1, "heads": 2}


def tiny(window=8, **options):
    torch.manual_seed(0)
    return InverseDynamics(GROUPS, window=window, **(TINY | options)).eval()


def noise(*shape, seed=0):
    return torch.randint(256, (*shape, 128, 128), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def parameters(network):
    return sum(p.numel() for p in network.parameters())


# --------------------------------------------------------------------------------------------------------- networks


@pytest.mark.parametrize("kind", [InverseDynamics, FirstInverseDynamics])
def test_each_frame_gets_logits_of_each_group(kind):
    network = kind(GROUPS, window=8).eval()
    move, fire = network(noise(2, 8))
    assert (move.shape, fire.shape) == ((2, 8, 3), (2, 8, 2))
    assert move.dtype == torch.float32
    assert move.isfinite().all()


@pytest.mark.parametrize("network", [tiny(), tiny(motion=False), FirstInverseDynamics(GROUPS, window=8).eval()])
def test_a_later_frame_changes_an_earlier_answer(network):
    frames = noise(1, 8)
    other = frames.clone()
    other[0, 7] = 255 - other[0, 7]
    with torch.no_grad():
        change = [(a - b).abs().amax((0, 2)) for a, b in zip(network(frames), network(other), strict=True)]
    assert all((c > 0).all() for c in change)


def test_without_attention_two_frames_on_either_side_are_seen():
    network = tiny(layers=0)
    frames = noise(1, 8)
    other = frames.clone()
    other[0, 4] = 255 - other[0, 4]
    with torch.no_grad():
        change = (network(frames)[0] - network(other)[0]).abs().amax((0, 2)) > 0
    assert change.tolist() == [False, False, True, True, True, True, True, False]


def test_motion_is_told_from_a_standing_picture():
    """A standing picture has no changes: only the frame itself reaches the first convolution."""
    network = tiny(layers=0)
    still = noise(1, 1).expand(1, 8, 128, 128)
    with torch.no_grad():
        before = network(still)[0]
        network.stem.weight[:, 1:] += 1  # the filters of the changes
        torch.testing.assert_close(network(still)[0], before)
        assert (network(noise(1, 8))[0] - before).abs().max() > 0.01


def test_the_order_of_frames_counts():
    network = tiny()
    frames = noise(1, 1).repeat(1, 8, 1, 1)  # one frame, eight times: only its place differs
    with torch.no_grad():
        answer = network(frames)[0][0]
    assert (answer[2:6] - answer[2]).abs().amax(1)[1:].min() > 0


@pytest.mark.parametrize("options", [{"width": 30, "heads": 4}, {"stem_stride": 64, "stacks": (4, 4)}])
def test_impossible_sizes_are_refused(options):
    with pytest.raises(UserError, match="leave a pixel of 128, and width be a multiple of heads"):
        tiny(**options)


@pytest.mark.parametrize(("kernel", "stride"), [(1, 8), (2, 8), (4, 8), (5, 8), (9, 8), (2, 3), (5, 6)])
def test_every_kernel_and_stride_has_a_network(kernel, stride):
    assert tiny(stem_kernel=kernel, stem_stride=stride)(noise(1, 8))[0].shape == (1, 8, 3)


def test_an_even_kernel_without_stride_has_a_network():
    assert tiny(stem_kernel=2, stem_stride=1, stacks=(2, 2, 2, 2))(noise(1, 8))[0].shape == (1, 8, 3)


def test_sizes_are_as_their_descriptions_say():
    settings = [shipped(f"configs/{name}.yaml") for name in ("game/idm", "experiment/idm_large")]
    base, large = (yaml.safe_load(p.read_text())["model"]["init_args"]["network"]["init_args"] for p in settings)
    with torch.device("meta"):
        assert 2.85e6 < parameters(InverseDynamics(GROUPS)) < 2.95e6
        assert parameters(FirstInverseDynamics(GROUPS)) < 5e6
        assert 18.5e6 < parameters(InverseDynamics(**(base | large))) < 19.5e6


# ------------------------------------------------------------------------------------------------------------- time


@pytest.mark.parametrize("length", [1, 2, 7])
def test_around_is_the_loop(length):
    frames = noise(2, length).float()
    found = around(frames)
    assert found.shape == (2 * length, AROUND, 128, 128)
    assert found.is_contiguous(memory_format=torch.channels_last) or length == 1
    for b in range(2):
        for t in range(length):
            for c in range(AROUND):
                neighbour = min(max(t + c - AROUND // 2, 0), length - 1)
                assert found[b * length + t, c].equal(frames[b, neighbour])


class Marks(VideoReader):
    """Answers with the number that a frame shows, its place in the window, and a certainty of 1/2 each."""

    def __init__(self, window):
        super().__init__(
            {"number": [f"n{i}" for i in range(1, 251)], "place": [f"p{i}" for i in range(1, 64)]}, window, 0, 0
        )

    def forward(self, frames):
        b, t = frames.shape[:2]
        told = frames[:, :, 0, 0].long(), torch.arange(t).expand(b, t)
        return [
            torch.log(torch.nn.functional.one_hot(v, n) * (n - 2) + 1.0)
            for v, n in zip(told, self.keys.sizes, strict=True)
        ]


@pytest.mark.parametrize("window", [1, 2, 3, 7, 8, 32])
@pytest.mark.parametrize("n", [1, 4, 7, 8, 9, 12, 16, 17, 31, 32, 33, 50, 250])
def test_each_frame_is_answered_once_from_the_middle_of_a_window(window, n):
    network = Marks(window)
    frames = torch.arange(n, dtype=torch.uint8)[:, None, None].expand(n, 128, 128)
    values, sure = network.read(frames)
    number, place = values.unbind(1)
    assert number.tolist() == list(range(n))  # each answer is about its own frame
    starts = torch.arange(n) - place
    assert (starts % max(1, window // 2) == 0).all()
    assert (starts.diff() >= 0).all()
    inner = (starts > 0) & (starts < starts.max())
    assert (place[inner] >= window // 4).all()
    assert (window - 1 - place[inner] >= window // 4 - 1).all()
    assert sure.tolist() == pytest.approx([0.25] * n, abs=1e-3)


def test_a_video_as_long_as_a_window_is_read_as_one():
    network = tiny()
    with torch.no_grad():
        network.head.weight.mul_(100)  # so that answers differ
        frames = noise(8)
        answers = [logits.softmax(2)[0] for logits in network(frames[None])]
    values, sure = network.read(frames)
    assert values.equal(torch.stack([a.argmax(1) for a in answers], dim=1))
    assert len(values.unique(dim=0)) > 1
    torch.testing.assert_close(sure, answers[0].amax(1) * answers[1].amax(1))


def test_a_shorter_video_stands_still_at_its_end():
    network = tiny()
    frames = noise(5)
    with torch.no_grad():
        answers = network(torch.cat([frames, frames[-1:].repeat(3, 1, 1)])[None])
    values, _ = network.read(frames)
    assert values.equal(torch.stack([a[0, :5].argmax(1) for a in answers], dim=1))
