"""Players press what they are meant to press, the same again from the same seed; and how well they do is counted."""

from collections import Counter

import gymnasium
import numpy as np
import pytest
import torch
from lamps import GROUPS, Lamps
from toys import Counting

from pokegen import zoo
from pokegen.errors import CheckpointError, UserError
from pokegen.game.agents.dqn import QNetwork
from pokegen.game.agents.seat import AgentPlayer, PolicyPlayer, seat
from pokegen.game.envs import action_names, make
from pokegen.game.envs.names import KEYS
from pokegen.game.play import returns
from pokegen.game.players import Expert, Invader, Random, Uneven
from pokegen.game.video.cloning import Policy
from pokegen.game.video.codec import gray
from pokegen.game.video.idm import InverseDynamics

POLICY = {"groups": GROUPS, "window": 4, "blocks": 1, "widths": [4, 4, 4], "hidden": 16}


def play(env, player, steps, seed=0):
    """What is pressed, over as many episodes as it takes."""
    found, over = [], True
    while len(found) < steps:
        if over:
            observation, _ = env.reset(seed=seed)
            player.begin(seed)
            seed += 1
        action = int(player(env, observation))
        assert env.action_space.contains(action)
        observation, _, terminated, truncated, _ = env.step(action)
        over = terminated or truncated
        found.append(action_names(env)[action])
    return found


@pytest.fixture(scope="module")
def overworld():
    sprites = np.full((3, 64, 64, 3), 255, np.uint8)
    sprites[:, 10:60, 10:60] = 60
    return make("pokegen/Overworld-v0", sprites=sprites)


@pytest.fixture(scope="module")
def invaders():
    return make("ALE/SpaceInvaders-v5")


def policy(**certain):
    """A policy that is certain of these values of its groups, whatever it sees."""
    torch.manual_seed(0)
    network = Policy(**POLICY).eval().requires_grad_(False)
    network.head.weight.zero_()
    network.head.bias.zero_()
    move, fire = network.head.bias.split((3, 2))
    if "move" in certain:
        move[("none", "left", "right").index(certain["move"])] = 50
    if "fire" in certain:
        fire[certain["fire"]] = 50
    return network


# ---------------------------------------------------------------------------------------------------------- scripts


def test_random_presses_all_actions_as_often():
    shares = Counter(play(Lamps(length=3000), Random(), 3000))
    assert len(shares) == 5
    assert all(abs(n / 3000 - 0.2) < 0.03 for n in shares.values())


@pytest.mark.parametrize("player", [Random(), Uneven(Expert()), PolicyPlayer(policy())])
def test_a_seed_plays_the_same_again(player):
    env = Lamps()
    first = play(env, player, 60, seed=1)
    assert play(env, player, 60, seed=1) == first
    assert play(env, player, 60, seed=100) != first


def test_expert_follows_the_script():
    env = Lamps()
    assert next(returns(env, Expert(), 1)) == (20.0, 20)


def test_expert_lands():
    (score, _) = next(returns(make("LunarLander-v3", render_mode=None), Expert(), 1, seed=3))
    assert score > 100  # at random it crashes, below -100


def test_expert_says_what_it_cannot_play():
    env = gymnasium.make("CartPole-v1", render_mode="rgb_array")
    with pytest.raises(UserError, match=r"No script plays CartPole-v1\. Scripts play pokegen's own environments"):
        play(env, Expert(), 1)


def test_uneven_pauses_mostly_and_tries_every_key(overworld):
    pressed = play(overworld, Uneven(Expert()), 2500)
    shares = Counter(pressed)
    assert 0.6 < shares["none"] / len(pressed) < 0.9
    assert set(shares) == set(KEYS)
    runs = "".join("." if key == "none" else "x" for key in pressed)
    pauses = [len(pause) for pause in runs.split("x") if len(pause) > 1]
    assert np.mean(pauses) > 6  # not single steps
    assert "xxxx" in runs


def test_uneven_is_as_uneven_as_it_is_told(overworld):
    """Nothing but the script in endless bursts; no burst longer than its mean of one step."""
    steady = Uneven(Expert(), burst=1e9, curious=0)
    assert play(overworld, steady, 100) == play(overworld, Expert(), 100)
    pressed = play(Lamps(length=2000), Uneven(Random(), burst=1, pause=3, curious=0), 2000)
    shares = Counter(pressed)
    assert 1 - shares["none"] / 2000 == pytest.approx(0.8 / 4, abs=0.03)  # a burst of four steps; one in five is none


def test_curious_is_the_share_of_keys_at_random():
    pressed = play(Lamps(length=2000), Uneven(Expert(), burst=1e9, curious=1.0), 2000)
    shares = Counter(pressed)
    assert len(shares) == 5
    assert all(abs(n / 2000 - 0.2) < 0.04 for n in shares.values())


def test_invader_stands_mostly_and_shoots_now_and_then(invaders):
    pressed = play(invaders, Invader(), 600)
    moves = [key for key in pressed if "left" in key or "right" in key]
    assert 0.1 < len(moves) / len(pressed) < 0.45
    shots = np.flatnonzero(["fire" in key for key in pressed])
    assert shots[0] == 0
    assert np.diff(shots).min() == 6  # not while a shot flies
    assert np.diff(shots).mean() == pytest.approx(5 + 2, abs=0.5)
    assert sum(key == "none" for key in pressed) / len(pressed) > 0.6
    assert any("left" in key for key in moves)
    assert any("right" in key for key in moves)
    assert play(invaders, Invader(), 100) == pressed[:100]


# ---------------------------------------------------------------------------------------------------------- policies


@pytest.mark.parametrize(
    ("certain", "key"),
    [
        ({"move": "left", "fire": 0}, "left"),
        ({"move": "none", "fire": 1}, "fire"),
        ({"move": "right", "fire": 1}, "right+fire"),
        ({"move": "none", "fire": 0}, "none"),
    ],
)
def test_clone_presses_what_its_policy_is_certain_of(certain, key):
    assert play(Lamps(), PolicyPlayer(policy(**certain)), 30) == [key] * 30


def test_clone_draws_as_often_as_its_policy_is_sure():
    """Of five actions; `left+fire`, which the environment has not, is left out of the draw."""
    network = policy()
    network.head.bias[:] = torch.tensor([0.5, 0.25, 0.25, 0.75, 0.25]).log()
    keys = torch.from_numpy(network.keys.encode(Lamps.action_names))
    generator = torch.Generator().manual_seed(0)
    frames = torch.zeros(4, 128, 128, dtype=torch.uint8)
    drawn = np.bincount([network.act(frames, keys, generator) for _ in range(3000)], minlength=5) / 3000
    expected = np.array([0.375, 0.1875, 0.1875, 0.125, 0.0625])  # none, left, right, fire, right+fire
    np.testing.assert_allclose(drawn, expected / expected.sum(), atol=0.03)


class Watched(Policy):
    """Keeps what it is shown."""

    def act(self, frames, actions, generator=None):
        self.shown.append(frames)
        return 0


def test_clone_sees_the_last_frames_as_a_recording_holds_them():
    network = Watched(**POLICY)
    network.shown = []
    env, player = Lamps(), PolicyPlayer(network)
    seen = []
    for seed in (0, 1):  # another episode begins with its own first frame alone
        observation, _ = env.reset(seed=seed)
        player.begin(seed)
        seen.append([])
        for _ in range(6):
            seen[-1].append(gray(env.render()))
            player(env, observation)
            observation, *_ = env.step(env.expert_action())
    assert not np.array_equal(seen[0][0], seen[1][0])
    for i, frames in enumerate(network.shown):
        episode, step = divmod(i, 6)
        expected = [seen[episode][max(0, step - back)] for back in (3, 2, 1, 0)]
        assert frames.dtype == torch.uint8
        np.testing.assert_array_equal(frames, expected)


def test_a_policy_tells_keys_of_one_frame():
    network = Policy(**POLICY).eval()
    move, fire = network(torch.zeros(2, 4, 128, 128, dtype=torch.uint8))
    assert (move.shape, fire.shape) == ((2, 1, 3), (2, 1, 2))


def test_the_loss_takes_back_how_often_keys_were_drawn():
    """A policy that presses as often as its teacher has nothing to learn from frames that were drawn otherwise."""
    combinations = torch.tensor([[0, 0], [1, 0], [2, 1]])
    often, drawn = torch.tensor([12.0, 3.0, 1.0]), torch.tensor([4, 3, 2])  # of 16 frames; what is drawn of each

    def batch(odds):
        keys = combinations.repeat_interleave(drawn, dim=0)[:, None]
        frames = torch.zeros(len(keys), 4, 128, 128, dtype=torch.uint8)
        return {"frames": frames, "keys": keys, "mask": torch.ones(len(keys), 1, dtype=bool)} | odds

    network = policy()
    with torch.no_grad():  # of fire alone, so that 1, 0 and 2, 1 differ by it: logits of each value
        network.head.bias[:3] = torch.tensor([12.0, 3.0, 1.0]).log()
    bias = network.head.bias.requires_grad_(True)
    odds = {"combinations": combinations, "log_weight": (drawn / often).log()}
    network.loss(batch(odds))["loss"].backward()
    torch.testing.assert_close(bias.grad[:3], torch.zeros(3), atol=1e-6, rtol=0)
    bias.grad = None
    network.loss(batch({}))["loss"].backward()
    assert bias.grad[:3].abs().max() > 0.1


# ------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(("name", "kind"), [("random", Random), ("expert", Expert), ("uneven", Uneven)])
def test_players_by_name(name, kind):
    assert type(seat(name, "tests/Lamps-v0", {})[1]) is kind


@pytest.mark.parametrize(("name", "kind"), [("random", Random), ("expert", Invader), ("uneven", Invader)])
def test_players_of_space_invaders_by_name(name, kind):
    assert type(seat(name, "ALE/SpaceInvaders-v5", {})[1]) is kind


def test_a_checkpoint_plays(tmp_path):
    zoo.save(policy(move="right", fire=1), tmp_path / "mine", "pokegen.game.video.cloning.Policy", POLICY, version="1")
    _, player = seat(str(tmp_path / "mine"), "tests/Lamps-v0", {})
    assert type(player) is PolicyPlayer
    assert not player.policy.training
    assert play(Lamps(), player, 5) == ["right+fire"] * 5


def test_a_checkpoint_that_is_no_policy_plays_nothing(tmp_path):
    init = {"groups": GROUPS, "stem_stride": 8, "stem_width": 4, "stacks": [4], "width": 16}
    zoo.save(InverseDynamics(**init), tmp_path / "idm", "pokegen.game.video.idm.InverseDynamics", init, version="1")
    with pytest.raises(UserError, match="idm plays nothing: expected an agent or a cloned policy, got InverseDynamics"):
        seat(str(tmp_path / "idm"), "tests/Lamps-v0", {})


def test_a_policy_must_know_the_environments_actions(tmp_path):
    zoo.save(policy(), tmp_path / "mine", "pokegen.game.video.cloning.Policy", POLICY, version="1")
    with pytest.raises(UserError, match=r"Unknown key 'up'\. This model's keys: none, left, right, fire"):
        seat(str(tmp_path / "mine"), "pokegen/Overworld-v0", {})


def test_an_unknown_player_is_told():
    with pytest.raises(CheckpointError, match="Unknown model 'nobody'"):
        seat("nobody", "tests/Lamps-v0", {})


@pytest.fixture
def agent(tmp_path):
    """The folder of an agent that was never trained."""
    arguments = {"env": "LunarLander-v3", "hidden": [8]}
    zoo.save(QNetwork(**arguments), tmp_path / "agent", "pokegen.game.agents.dqn.QNetwork", arguments, version="1")
    return str(tmp_path / "agent")


def test_an_agent_brings_its_environment(agent):
    env, player = seat(agent, None, {})
    assert env.spec.id == "LunarLander-v3"
    assert type(player) is AgentPlayer
    player.begin(0)
    assert env.action_space.contains(player(env, env.reset(seed=0)[0]))
    with pytest.raises(UserError, match=r"plays LunarLander-v3, not pokegen/Fighter-v0"):
        seat(agent, "pokegen/Fighter-v0", {})
    with pytest.raises(UserError, match="leave out --options"):
        seat(agent, None, {"continuous": True})


def test_who_has_no_environment_of_its_own_is_asked_for_one():
    with pytest.raises(UserError, match="random plays any environment: choose one with --env"):
        seat("random", None, {})


# ----------------------------------------------------------------------------------------------------------- returns


def sums():
    """Pays the action; episode n, by its seed, ends after n steps, or is cut off after 5."""
    return Counting(length=0, limit=5)


class Counts:
    """Presses what it observes, modulo three."""

    def __init__(self):
        self.seeds = []

    def begin(self, seed):
        self.seeds.append(seed)

    def __call__(self, env, observation):
        return observation % 3


def test_returns_are_sums_of_whole_episodes_seed_by_seed():
    env, player = sums(), Counts()
    # Presses 0, 1, 2, 0, 1 of up to five steps.
    assert list(returns(env, player, 5, seed=2)) == [(1.0, 2), (3.0, 3), (3.0, 4), (4.0, 5), (4.0, 5)]
    assert env.seeds == player.seeds == [2, 3, 4, 5, 6]


def test_returns_come_one_by_one():
    env = sums()
    found = returns(env, Counts(), 1000, seed=1)
    next(found)
    assert env.seeds == [1]
