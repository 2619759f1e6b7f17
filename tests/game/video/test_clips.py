"""Windows keep to their episodes, splits to their recordings, and rare keys are drawn as often as they are meant to."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lamps import GROUPS, write

from pokegen.errors import DataError, UserError
from pokegen.game.video import clips
from pokegen.game.video.clips import Clips, RecordingsDataModule

# ---------------------------------------------------------------------------------------------------------- windows


def arrays(length, value=0):
    """An episode whose frames and keys count from `value`."""
    steps = np.arange(value, value + length)
    frames = np.broadcast_to(steps.astype(np.uint8)[:, None, None], (length, 128, 128))
    return frames, np.stack([steps, steps + 100], axis=1)


def numbers(batch):
    return batch["frames"][:, :, 0, 0].tolist()


def test_a_window_is_as_it_was_played():
    batch = Clips([arrays(20), arrays(20, 50)], 4, num_targets=4).__getitems__([(1, 3, 0, 4), (0, 0, 0, 4)])
    assert batch["frames"].shape == (2, 4, 128, 128)
    assert batch["frames"].dtype == torch.uint8
    assert numbers(batch) == [[53, 54, 55, 56], [0, 1, 2, 3]]
    assert batch["keys"][0].tolist() == [[53, 153], [54, 154], [55, 155], [56, 156]]
    assert batch["mask"].dtype == torch.bool
    assert batch["mask"].all()


def test_beyond_an_episode_a_frame_stands_still_and_does_not_count():
    batch = Clips([arrays(6), arrays(6, 50)], 4, num_targets=4).__getitems__(
        [(1, -2, 0, 4), (0, 4, 0, 4), (0, 4, 1, 4)]
    )
    assert numbers(batch) == [[50, 50, 50, 51], [4, 5, 5, 5], [4, 5, 5, 5]]
    assert batch["mask"].tolist() == [[0, 0, 1, 1], [1, 1, 0, 0], [0, 1, 0, 0]]


def test_a_causal_window_is_asked_for_its_last_frame():
    batch = Clips([arrays(6)], 4, num_targets=1).__getitems__([(0, 1, 3, 4), (0, -3, 3, 4)])
    assert numbers(batch) == [[1, 2, 3, 4], [0, 0, 0, 0]]
    assert batch["keys"].tolist() == [[[4, 104]], [[0, 100]]]
    assert batch["mask"].tolist() == [[True], [True]]


# ------------------------------------------------------------------------------------------------------- recordings

EPISODES, LENGTH = 10, 20
KEYS = ["none"] * 13 + ["left"] * 4 + ["right+fire"] * 2 + ["fire"]  # of an episode, in an order of its own


def film(name):
    """Frames that tell their episode, from 0 to 23, on the left and their step on the right, and its keys."""
    offset = {"one": 0, "two": EPISODES}[name]
    pictures = np.zeros((EPISODES, LENGTH, 128, 128, 3), np.uint8)
    pictures[:, :, :, :64] = (20 + 10 * (offset + np.arange(EPISODES)))[:, None, None, None, None]
    pictures[:, :, :, 64:] = (20 + 10 * np.arange(LENGTH))[None, :, None, None, None]
    rng = np.random.default_rng(offset)
    keys = [str(key) for _ in range(EPISODES) for key in rng.permutation(KEYS)]
    return pictures.reshape(-1, 128, 128, 3), keys, np.repeat(np.arange(EPISODES), LENGTH)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two recordings of ten episodes of twenty frames."""
    folder = tmp_path_factory.mktemp("recordings")
    for name in ("one", "two"):
        write(folder / name, *film(name))
    return folder


def data(*recordings, **options):
    defaults = {"window": 8, "batch_size": 5, "epoch_frames": 400, "val_share": 0.2, "test_share": 0.25}
    module = RecordingsDataModule([str(r) for r in recordings], GROUPS, **(defaults | options))
    module.setup("fit")
    return module


def seen(frames):
    """Of frames (…, 128, 128): the episode and the step that they show."""
    episode, step = (frames[..., 64, x].float() for x in (30, 100))
    return ((episode - 20) / 10).round().long(), ((step - 20) / 10).round().long()


def episodes(module, split):
    return [int(seen(torch.from_numpy(frames[0].copy()))[0]) for frames, _ in module.episodes[split]]


def test_splits_are_of_whole_episodes_and_disjoint(folder):
    module = data(folder)
    parts = {split: episodes(module, split) for split in ("train", "val", "test")}
    assert {split: len(part) for split, part in parts.items()} == {"train": 11, "val": 4, "test": 5}
    assert sorted(number for part in parts.values() for number in part) == list(range(20))
    for part in module.episodes.values():
        for frames, keys in part:
            episode, step = seen(torch.from_numpy(np.array(frames)))
            assert episode.unique().numel() == 1
            assert step.tolist() == list(range(LENGTH))
            assert len(keys) == LENGTH
    assert max(parts["val"]) - min(parts["val"]) > 4  # of all recordings, early and late


def test_splits_are_fixed(folder):
    orders = [[folder], [folder / "one.csv", folder / "two.csv"], [folder / "two.csv", folder / "one.csv"]]
    found = [data(*order, seed=seed) for seed, order in enumerate(orders)]
    for split in ("train", "val", "test"):
        assert len({tuple(episodes(module, split)) for module in found}) == 1
    assert len({module.data_hash for module in found}) == 1
    assert data(folder / "one.csv").data_hash != found[0].data_hash


def test_recordings_of_one_name_in_two_folders_are_split_alike_in_any_order(folder, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for suffix in (".csv", ".mkv"):
            (tmp_path / name / f"same{suffix}").symlink_to(folder / f"{name}{suffix}")
    a, b = data(tmp_path / "one", tmp_path / "two"), data(tmp_path / "two", tmp_path / "one")
    for split in ("train", "val", "test"):
        assert episodes(a, split) == episodes(b, split)


def test_a_recording_that_is_named_twice_is_taken_once(folder):
    module = data(folder, folder / "one.csv", folder)
    assert sum(len(part) for part in module.episodes.values()) == 20


def test_no_window_mixes_episodes_and_each_key_belongs_to_its_frame(folder):
    module = data(folder)
    pressed = [module.keys.encode(film(name)[1]).reshape(EPISODES, LENGTH, 2) for name in ("one", "two")]
    expected = torch.from_numpy(np.concatenate(pressed))
    for loader in (module.train_dataloader(), module.val_dataloader(), module.test_dataloader()):
        for batch in loader:
            episode, step = seen(batch["frames"])  # (B, T)
            assert (episode == episode[:, :1]).all()
            moved, mask = step.diff(dim=1), batch["mask"]
            assert ((moved == 1) | (moved == 0)).all()
            assert (moved[mask[:, 1:] & mask[:, :-1]] == 1).all()
            assert batch["keys"].equal(expected[episode, step])


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("window", [4, 6, 8, 32])
def test_each_frame_of_validation_and_test_is_asked_for_once(folder, window, causal):
    module = data(folder, window=window, causal=causal)
    for split, loader in (("val", module.val_dataloader()), ("test", module.test_dataloader())):
        asked = []
        for batch in loader:
            frames = batch["frames"][:, -batch["mask"].shape[1] :]
            episode, step = (part[batch["mask"]] for part in seen(frames))
            asked += zip(episode.tolist(), step.tolist(), strict=True)
        assert len(asked) == len(set(asked)) == LENGTH * len(module.episodes[split])


def test_what_is_asked_for_lies_in_the_middle_of_a_window(folder):
    """Unless the episode begins or ends there: a quarter of the window is seen before and behind it."""
    for batch in data(folder, window=8).test_dataloader():
        _, step = seen(batch["frames"])
        place = torch.arange(8).expand_as(step)
        inner = batch["mask"] & (step >= 6) & (step < LENGTH - 6)
        assert inner.any() or not (batch["mask"] & (step > 6)).any()
        assert ((place[inner] >= 2) & (place[inner] < 6)).all()


def test_a_long_validation_is_thinned_evenly(folder):
    whole, part = (sum(int(b["mask"].sum()) for b in data(folder, val_frames=n).val_dataloader()) for n in (0, 40))
    assert whole == 80
    assert 20 <= part <= 48
    module = data(folder, val_frames=40)
    found = torch.cat([seen(batch["frames"])[0].flatten() for batch in module.val_dataloader()])
    assert len(found.unique()) >= 3  # of four episodes
    assert sum(int(b["mask"].sum()) for b in module.test_dataloader()) == 100  # a test never is


def test_causal_batches_hold_one_row_of_keys(folder):
    batch = next(iter(data(folder, window=4, causal=True).train_dataloader()))
    assert {key: tuple(value.shape) for key, value in batch.items()} == {
        "frames": (5, 4, 128, 128),
        "keys": (5, 1, 2),
        "mask": (5, 1),
        "combinations": (4, 2),
        "log_weight": (4,),
    }
    assert batch["mask"].all()


@pytest.mark.parametrize("balance", [0, 0.5, 1])
def test_odds_tell_how_much_more_often_keys_are_drawn_than_pressed(folder, balance):
    module = data(folder, window=4, causal=True, balance=balance, epoch_frames=20_000)
    batch = next(iter(module.train_dataloader()))
    keys = np.concatenate([keys for _, keys in module.episodes["train"]])
    pressed = [(keys == row).all(1).mean() for row in batch["combinations"].numpy()]
    shares = pressed * np.exp(batch["log_weight"].numpy())
    found = dict(zip(module.keys.decode(batch["combinations"]), shares / shares.sum(), strict=True))
    assert drawn(module) == pytest.approx(found, abs=0.015)


def test_without_a_share_there_is_nothing_to_validate(folder):
    module = data(folder, val_share=0, test_share=0)
    assert list(module.val_dataloader()) == list(module.test_dataloader()) == []
    assert len(module.episodes["train"]) == 20


# --------------------------------------------------------------------------------------------------------- sampling


def drawn(module):
    """How often each combination of keys is asked for at the end of a causal window."""
    windows = list(module.train_dataloader().sampler)
    keys = [module.episodes["train"][episode][1][start + module.window - 1] for episode, start, _, _ in windows]
    values, counts = np.unique(module.keys.decode(np.stack(keys)), return_counts=True)
    return dict(zip(values.tolist(), (counts / len(windows)).tolist(), strict=True))


@pytest.mark.parametrize(
    ("balance", "expected"),
    [
        (0, {"none": 0.65, "left": 0.2, "right+fire": 0.1, "fire": 0.05}),
        (0.5, {"none": 0.443, "left": 0.246, "right+fire": 0.174, "fire": 0.123}),  # 0.65 ** 0.5 and so on, as shares
        (1, {"none": 0.25, "left": 0.25, "right+fire": 0.25, "fire": 0.25}),
    ],
)
def test_rare_keys_are_drawn_as_balance_says(folder, balance, expected):
    assert drawn(data(folder, window=4, causal=True, balance=balance, epoch_frames=20_000)) == pytest.approx(
        expected, abs=0.015
    )


def test_the_frame_drawn_stands_at_any_place_of_the_window(folder):
    """Else a model would learn from places what it should tell from pictures."""
    module = data(folder, balance=1.0, epoch_frames=80_000)
    told = torch.tensor([module.keys.encode(["fire"])[0].tolist()])
    share = torch.zeros(8)
    for episode, start, low, high in module.train_dataloader().sampler:
        assert (low, high) == (0, 8)
        rows = start + np.arange(8)
        inside = (rows >= 0) & (rows < LENGTH)
        keys = torch.from_numpy(module.episodes["train"][episode][1][rows.clip(0, LENGTH - 1)])
        share += torch.from_numpy(inside) & (keys == told).all(dim=1)
    assert (share / share.mean() - 1).abs().max() < 0.25


def test_frequencies_are_those_of_the_training_episodes(folder):
    move, fire = data(folder).frequencies
    assert move.tolist() == pytest.approx([0.7, 0.2, 0.1])
    assert fire.tolist() == pytest.approx([0.85, 0.15])


def windows(module, epoch=0):
    module.trainer = SimpleNamespace(current_epoch=epoch)
    return [tuple(map(int, window)) for window in module.train_dataloader().sampler]


@pytest.mark.parametrize("causal", [False, True])
def test_a_seed_draws_the_same_windows_and_each_epoch_others(folder, causal):
    a, b, other = (data(folder, causal=causal, seed=seed) for seed in (1, 1, 2))
    assert windows(a) == windows(b)
    assert windows(a, epoch=1) == windows(b, epoch=1) != windows(a)
    assert windows(other) != windows(a)


@pytest.mark.parametrize(("causal", "batches"), [(False, 10), (True, 80)])
def test_an_epoch_has_the_frames_that_it_is_to_have(folder, causal, batches):
    loader = data(folder, causal=causal).train_dataloader()
    assert len(loader) == len(list(loader)) == batches  # of 5 windows of 8 frames, 400 in all


# ------------------------------------------------------------------------------------------------------------ cache


@pytest.fixture
def decoded(monkeypatch):
    """The videos that were decoded."""
    found, original = [], clips.frames

    def frames(video, **options):
        found.append(video.name)
        return original(video, **options)

    monkeypatch.setattr(clips, "frames", frames)
    return found


def test_frames_are_decoded_once_and_again_when_the_video_changes(tmp_path, decoded):
    options = {"val_share": 0.1, "test_share": 0}
    write(tmp_path / "one", *film("one"))
    first = data(tmp_path, **options)
    assert episodes(data(tmp_path, **options), "train") == episodes(first, "train")
    assert decoded == ["one.mkv"]
    assert sorted(episodes(first, "train") + episodes(first, "val")) == list(range(EPISODES))
    for file in tmp_path.glob("one.*"):
        file.unlink()
    pictures, keys, number = film("two")
    write(tmp_path / "one", pictures, keys, number)
    assert min(episodes(data(tmp_path, **options), "train")) >= EPISODES  # not the old pictures
    assert decoded == ["one.mkv"] * 2
    assert len(list((tmp_path / ".frames").iterdir())) == 1


@pytest.mark.parametrize("end", ["short", "broken"])
def test_a_video_that_ends_early_leaves_no_black_frames(tmp_path, monkeypatch, end):
    def frames(video, stop):
        yield from np.full((5, 128, 128), 9, np.uint8)
        if end == "broken":
            raise UserError("cannot be decoded beyond 0.3 s")

    monkeypatch.setattr(clips, "frames", frames)
    write(tmp_path / "one", *film("one"))
    with pytest.raises(UserError, match="cannot be decoded beyond"):
        data(tmp_path)
    assert list((tmp_path / ".frames").iterdir()) == []


def test_where_nothing_can_be_written_is_told(tmp_path):
    write(tmp_path / "one", *film("one"))
    (tmp_path / ".frames").write_text("a file, so that no folder can be made")
    with pytest.raises(UserError, match=r"one\.mkv cannot be decoded into .*\.frames: .*\. Copy the recording"):
        data(tmp_path)


# ----------------------------------------------------------------------------------------------------------- errors


def test_a_folder_without_recordings_says_how_to_make_one(tmp_path):
    for path in (tmp_path, tmp_path / "none", tmp_path / "none.csv"):
        with pytest.raises(DataError, match=rf"No recording in {path}\. Make one: pokegen game record .* --out {path}"):
            data(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"val_share": 0.04, "test_share": 0.2}, "10 episodes are too few for a val_share of 0.04"),
        ({"val_share": 0.2, "test_share": 0.04}, "10 episodes are too few for a test_share of 0.04"),
        ({"val_share": 0.49, "test_share": 0.5}, "10 episodes are too few for a val_share of 0.49"),  # none to train on
    ],
)
def test_each_split_needs_an_episode(folder, options, message):
    with pytest.raises(DataError, match=message):
        data(folder / "one.csv", **options)


def test_keys_of_no_group_are_named(folder):
    module = RecordingsDataModule([str(folder)], {"move": ["left", "right"]})
    with pytest.raises(UserError, match=r"Unknown key 'fire'\. This model's keys: none, left, right; set others"):
        module.setup("fit")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"balance": 1.1}, "balance must be from 0 to 1, got 1.1"),
        ({"val_share": 0.5, "test_share": 0.5}, "must leave episodes to train on"),
        ({"val_share": -0.1}, "must leave episodes to train on"),
        ({"batch_size": 0}, r"epoch_frames \(400\) must be at least batch_size \(0\), and that 1"),
        ({"epoch_frames": 4}, r"epoch_frames \(4\) must be at least batch_size \(5\)"),
        ({"window": 3}, "window must be at least 4 frames, or 1 of causal windows, got 3"),
        ({"window": 0, "causal": True}, "window must be at least 4 frames, or 1 of causal windows, got 0"),
    ],
)
def test_settings_out_of_range_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        data("nowhere", **options)


def test_a_cache_that_links_elsewhere_is_not_written(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "video.mkv").write_bytes(b"")
    (tmp_path / ".frames").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="is a link"):
        clips.decoded(tmp_path / "video.mkv", 20)
    assert not list((tmp_path / "elsewhere").iterdir())
