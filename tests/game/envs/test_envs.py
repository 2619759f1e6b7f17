"""The factory of environments, action names, save and restore, and the joint environment of several agents."""

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from pokegen.errors import UserError
from pokegen.game.envs import action_names, make, restore, save
from pokegen.game.envs.joint import Joint
from pokegen.game.envs.names import KEYS
from pokegen.optional import require

INVADERS = "ALE/SpaceInvaders-v5"


def played(env: gymnasium.Env, actions: list[Any]) -> list[Any]:
    steps = []
    for action in actions:
        _, reward, *ends = env.step(action)[:4]
        steps.append((np.array(env.render()).tobytes(), reward, *ends))
    return steps


def drawn(env: gymnasium.Env, count: int) -> list[Any]:
    env.action_space.seed(7)
    return [env.action_space.sample() for _ in range(count)]


def test_the_module_imports_no_simulator():
    heavy = "torch", "ale_py", "vizdoom", "stable_retro", "pyboy", "mpe2", "pettingzoo", "PIL", "av", "Xlib"
    code = f"import sys, pokegen.game.envs; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_frames_are_rgb():
    for id, shape in {
        INVADERS: (210, 160, 3),
        "LunarLander-v3": (400, 600, 3),
        "VizdoomBasic-v1": (240, 320, 3),
    }.items():
        env = make(id)
        env.reset(seed=0)
        frame = env.render()
        assert isinstance(frame, np.ndarray) and frame.shape == shape and frame.dtype == np.uint8, id
        env.close()


def test_atari_has_no_sticky_actions_unless_asked():
    ale = make(INVADERS).unwrapped
    assert ale._frameskip == 4 and ale.ale.getFloat("repeat_action_probability") == 0.0  # type: ignore[attr-defined]
    other = make(INVADERS, repeat_action_probability=0.25, frameskip=2, full_action_space=True)
    assert other.unwrapped.ale.getFloat("repeat_action_probability") == 0.25  # type: ignore[attr-defined]
    assert other.action_space == gymnasium.spaces.Discrete(18)


@pytest.mark.parametrize(
    "id, near",
    [
        ("ALE/SpaceInvader-v5", "ALE/SpaceInvaders-v5"),
        ("pokegen/Overwold-v0", "pokegen/Overworld-v0"),
        ("mpe/simple_spred_v3", "mpe/simple_spread_v3"),
        ("nothing of the kind", "`pokegen game envs` lists"),
    ],
)
def test_an_unknown_id_names_near_ones(id, near):
    with pytest.raises(UserError, match=r"^Unknown environment") as error:
        make(id)
    assert near in str(error.value) and "\n" not in str(error.value)


def test_an_unknown_option_is_named():
    for id in (INVADERS, "LunarLander-v3", "mpe/simple_spread_v3"):
        with pytest.raises(UserError, match=f"^{id} takes no option 'speed'"):
            make(id, speed=3)


@pytest.mark.parametrize(
    "id, module, package",
    [
        (INVADERS, "ale_py", "ale-py"),
        ("VizdoomBasic-v1", "vizdoom", "vizdoom"),
        ("mpe/simple_spread_v3", "mpe2", "mpe2"),
        ("LunarLander-v3", "Box2D", "gymnasium[box2d]"),
    ],
)
def test_a_missing_package_is_said_in_one_line(monkeypatch, id, module, package):
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError) as error:
        make(id)
    assert str(error.value) == f"{package} is not installed. Install it: pip install 'pokegen[game]'"


def test_require_tells_what_a_package_itself_lacks(monkeypatch, tmp_path):
    (tmp_path / "half_there.py").write_text("import not_there_at_all")
    (tmp_path / "broken_one.py").write_text("raise RuntimeError('needs an older Python.\\nand more')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        UserError, match=r"^half_there needs not_there_at_all, which is not installed\. Install it: pip"
    ):
        require("half_there")
    with pytest.raises(UserError, match=r"^broken_one is installed but does not load: needs an older Python\.$"):
        require("broken_one")


@pytest.mark.parametrize(
    "id, names",
    [
        (INVADERS, ("none", "fire", "right", "left", "right+fire", "left+fire")),
        ("LunarLander-v3", ("none", "left", "main", "right")),
        ("VizdoomBasic-v1", ("none", "attack", "move_right", "move_left")),
    ],
)
def test_actions_have_names(id, names):
    env = make(id)
    assert action_names(env) == names
    env.close()


def test_diagonals_of_atari_are_two_keys():
    names = action_names(make("ALE/Boxing-v5"))
    assert names[6:] == ("up+right", "up+left", "down+right", "down+left", "up+fire", "right+fire", "left+fire",
                         "down+fire", "up+right+fire", "up+left+fire", "down+right+fire", "down+left+fire")  # fmt: skip


def test_buttons_of_vizdoom_do_what_their_names_say():
    env = make("VizdoomBasic-v1")
    env.reset(seed=0)
    ammunition = env.step(action_names(env).index("none"))[0]["gamevariables"][0]
    for _ in range(12):
        observation = env.step(action_names(env).index("attack"))[0]
    assert observation["gamevariables"][0] < ammunition
    env.close()


def test_names_are_never_guessed():
    class Named(gymnasium.Env):
        action_space = gymnasium.spaces.Discrete(9)
        action_names = KEYS

    assert action_names(Named()) == KEYS
    Named.action_names = KEYS[:8]
    for env in (Named(), make("LunarLanderContinuous-v3"), make("CartPole-v1"), make("mpe/simple_spread_v3")):
        with pytest.raises(UserError, match="does not name its actions"):
            action_names(env)


def test_vizdooms_time_limit_is_a_truncation_and_no_file_is_left(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    env = make("VizdoomBasic-v1", frame_skip=30)
    env.reset(seed=0)
    while not any(ends := env.step(0)[2:4]):
        pass
    env.close()
    assert ends == (False, True) and not list(tmp_path.iterdir())


@pytest.mark.parametrize("id", [INVADERS, "mpe/simple_spread_v3"])
def test_restore_goes_back_exactly_and_again(id):
    options = {"repeat_action_probability": 0.25} if id == INVADERS else {}  # so that random numbers matter
    env = make(id, **options)
    env.reset(seed=3)
    actions = drawn(env, 50)
    played(env, actions[:10])
    state = save(env)
    first = played(env, actions[10:20])
    played(env, actions[20:24])
    for _ in range(2):
        restore(env, state)
        assert played(env, actions[10:20]) == first
    assert len({frame for frame, *_ in first}) > 1


def test_restore_sets_the_time_limit_back():
    env = make(INVADERS, max_episode_steps=5)
    env.reset(seed=0)
    env.step(0)
    state = save(env)
    for _ in range(2):
        assert [step[3] for step in played(env, [0] * 4)] == [False, False, False, True]
        restore(env, state)


def test_console_games_restore_exactly():
    code = """
from test_envs import drawn, make, played, restore, save
env = make("retro/Airstriker-Genesis-v0")
env.reset(seed=0)
actions = drawn(env, 60)
played(env, actions[:20])
state = save(env)
first = played(env, actions[20:])
restore(env, state)
print(played(env, actions[20:]) == first, len({frame for frame, *_ in first}) > 1)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parent)
    assert done.stdout.split() == ["True", "True"], done.stderr


def test_what_has_no_state_says_so():
    with pytest.raises(UserError, match="LunarLander has no exact state to save"):
        save(make("LunarLander-v3"))


def joint(**options: Any) -> Any:
    return make("mpe/simple_spread_v3", **options)


@pytest.mark.parametrize("id", ["mpe/simple_spread_v3", "mpe/simple_adversary_v3"])
@pytest.mark.parametrize("continuous", [False, True])
def test_joint_passes_gymnasiums_check(id, continuous):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings(
            "ignore", message=".*Box observation space (min|max)imum value is -?infinity.*"
        )  # mpe2's
        check_env(make(id, continuous_actions=continuous).unwrapped)


def test_joint_has_a_space_and_a_reward_for_each_agent():
    env = joint(N=4, local_ratio=1.0)
    observation, _ = env.reset(seed=0)
    assert tuple(observation) == env.unwrapped.agents == tuple(f"agent_{i}" for i in range(4))
    assert env.observation_space.contains(observation)
    _, reward, _, _, info = env.step(dict.fromkeys(observation, 1))
    assert reward == pytest.approx(np.mean(list(info["rewards"].values())))
    assert len(set(info["rewards"].values())) > 1 or reward == 0


def test_joint_agrees_with_the_parallel_environment():
    from mpe2 import simple_adversary_v3

    env: Any = make("mpe/simple_adversary_v3", max_cycles=7)
    plain = simple_adversary_v3.parallel_env(max_cycles=7)
    seen, expected = env.reset(seed=5)[0], plain.reset(seed=5)[0]
    for i, action in enumerate(drawn(env, 7)):
        assert all(np.array_equal(seen[agent], expected[agent]) for agent in seen)
        seen, _, terminated, truncated, info = env.step(action)
        expected, rewards, *_ = plain.step(action)
        assert info["rewards"] == pytest.approx(dict(rewards))
        assert (terminated, truncated) == (False, i == 6)


def test_joint_moves_by_the_action():
    env = joint()
    env.reset(seed=0)
    for _ in range(5):
        seen = env.step({"agent_0": 1, "agent_1": 2, "agent_2": 0})[0]  # left, right, none
    assert seen["agent_0"][0] < -0.1 and seen["agent_1"][0] > 0.1 and abs(seen["agent_2"][0]) < 1e-6  # speeds along x


class Unequal:
    """A parallel environment of which one agent ends after two steps, and another is cut off after three."""

    metadata: dict[str, Any] = {}  # noqa: RUF012
    possible_agents = ("short", "long")
    render_mode = None

    def __init__(self, cut: bool):
        self.cut = cut

    def observation_space(self, agent: str) -> gymnasium.Space:
        return gymnasium.spaces.Box(0, 9, (1,))

    def action_space(self, agent: str) -> gymnasium.Space:
        return gymnasium.spaces.Discrete(2)

    def reset(self, seed=None, options=None):
        self.agents, self.time = list(self.possible_agents), 0
        return {agent: np.zeros(1, np.float32) for agent in self.agents}, {}

    def step(self, actions):
        assert set(actions) == set(self.agents)
        self.time += 1
        now = self.agents
        ends = {"short": self.time == 2, "long": self.time == 3}
        self.agents = [agent for agent in now if not ends[agent]]
        cut = {agent: agent == "long" and ends[agent] and self.cut for agent in now}
        terminated = {agent: ends[agent] and not cut[agent] for agent in now}
        seen = {agent: np.full(1, self.time, np.float32) for agent in now}
        return seen, dict.fromkeys(now, 1.0), terminated, cut, {agent: {} for agent in now}


@pytest.mark.parametrize("cut", [False, True])
def test_joint_lasts_until_the_last_agents_end(cut):
    env = Joint(Unequal(cut))
    env.reset()
    both = {"short": 0, "long": 0}
    steps = [env.step(both) for _ in range(3)]
    assert [step[2:4] for step in steps] == [(False, False), (False, False), (not cut, cut)]
    assert steps[2][1] == 0.5 and steps[2][4]["rewards"] == {"short": 0.0, "long": 1.0}
    assert steps[2][0]["short"] == 2 and steps[2][0]["long"] == 3  # the last that each was shown
