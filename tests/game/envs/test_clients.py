"""The clients on stand-ins for the simulators' Python packages, none of which CI installs.

We wrote the stand-ins from the packages' documentation: same names, arguments and shapes. They check our half of each
conversation, and cannot notice that a package has changed. The last tests do: they run against the real packages, and
only where someone asks for them, by POKEGEN_CLIENTS and the id of an environment that can be started there:

    POKEGEN_CLIENTS="sc2/MoveToBeacon unity/build/scene" pytest tests/game/envs/test_clients.py -k real

Without the variable there are no such tests; with it, a package that is missing is a failure, never a skip.
"""

import io
import json
import os
import socket
import sys
from collections import namedtuple
from enum import Enum
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from PIL import Image

from pokegen.errors import UserError
from pokegen.game.envs import action_names, make


@pytest.fixture
def install(monkeypatch):
    """Put modules in place: install("a.b", name=value) makes a and a.b importable, with that name in a.b."""

    def put(dotted: str, **names: Any) -> ModuleType:
        for i in range(1, dotted.count(".") + 2):
            name = ".".join(dotted.split(".")[:i])
            if not isinstance(sys.modules.get(name), ModuleType) or not hasattr(sys.modules[name], "stand_in"):
                module = ModuleType(name)
                module.stand_in = True  # type: ignore[attr-defined]
                module.__path__ = []
                monkeypatch.setitem(sys.modules, name, module)
                if "." in name:
                    setattr(sys.modules[name.rpartition(".")[0]], name.rpartition(".")[2], module)
        vars(sys.modules[dotted]).update(names)
        return sys.modules[dotted]

    return put


@pytest.mark.parametrize(
    "id, module, message",
    [
        ("unity/scene", "mlagents_envs", "mlagents_envs is not installed. Install it: pip install mlagents_envs"),
        ("unrealcv/127.0.0.1:9000", "unrealcv", "unrealcv is not installed. Install it: pip install unrealcv"),
        ("malmo/mission.xml", "malmoenv", "malmoenv is not installed. Install it: pip install malmoenv"),
        ("sc2/MoveToBeacon", "pysc2", "pysc2 is not installed. Install it: pip install pysc2"),
        (
            "dmlab/seekavoid_arena_01",
            "deepmind_lab",
            "deepmind_lab is not installed. Install it: pip install a wheel built from github.com/google-deepmind/lab",
        ),
    ],
)
def test_without_its_package_a_client_says_one_line(monkeypatch, id, module, message):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError) as error:
        make(id)
    assert str(error.value) == message


# Unity: mlagents_envs.base_env and mlagents_envs.environment

Spec = namedtuple("Spec", "shape name")
Actions = namedtuple("Actions", "continuous_size discrete_branches")
Behavior = namedtuple("Behavior", "observation_specs action_spec")


class Steps:
    """DecisionSteps, or TerminalSteps with `interrupted`: arrays with one row an agent."""

    def __init__(self, obs=(), reward=(), interrupted=()):
        self.obs, self.reward, self.interrupted = obs, np.array(reward, np.float32), np.array(interrupted, bool)

    def __len__(self):
        return len(self.reward)


class ActionTuple:
    def __init__(self, continuous=None, discrete=None):
        assert continuous is None or (continuous.dtype == np.float32 and continuous.ndim == 2)
        assert discrete is None or (discrete.dtype == np.int32 and discrete.ndim == 2)
        self.continuous, self.discrete = continuous, discrete


class UnityEnvironment:
    """An agent with a camera and a vector that moves right by its action, decides every second step, ends at 3, and is
    interrupted after five of its decisions."""

    branches: tuple[int, ...] = (3,)
    size = 0
    camera = (4, 6, 3)
    open = 0

    def __init__(self, file_name=None, worker_id=0, seed=0, no_graphics=False, timeout_wait=60):
        if file_name == "missing":
            raise FileNotFoundError("Couldn't launch the missing environment.\nProvided filename does not match.")
        self.file_name, self.seed = file_name, seed
        self.behavior_specs: dict[str, Behavior] = {}
        UnityEnvironment.open += 1

    def reset(self):
        sensors = [Spec(self.camera, "Camera"), Spec((2,), "Place")]
        self.behavior_specs = {"Walker?team=0": Behavior(sensors, Actions(self.size, self.branches))}
        self.x, self.time, self.acted = self.seed, 0, None
        self.steps = Steps(self._see(), [0.0]), Steps()

    def _see(self):
        picture = np.full((1, *self.camera), self.x / 10, np.float32)
        return [picture, np.array([[self.x, self.time]], np.float32)]

    def set_actions(self, behavior, action):
        assert behavior in self.behavior_specs
        self.acted = action

    def step(self):
        self.time += 1
        if self.time % 2:
            self.steps = Steps(), Steps()
            return
        a = self.acted
        self.x += int(a.discrete[0, 0]) if a.discrete is not None else 0
        if self.x >= 3 or self.time == 10:
            self.steps = Steps(), Steps(self._see(), [float(self.x)], [self.time == 10])
        else:
            self.steps = Steps(self._see(), [float(self.x)]), Steps()

    def get_steps(self, behavior):
        return self.steps

    def close(self):
        UnityEnvironment.open -= 1


@pytest.fixture
def unity(install):
    install("mlagents_envs.base_env", ActionTuple=ActionTuple)
    UnityEnvironment.open = 0
    return lambda **more: (
        install("mlagents_envs.environment", UnityEnvironment=type("Scene", (UnityEnvironment,), more)).UnityEnvironment
    )


def test_unity_decides_moves_and_ends(unity):
    unity()
    env = make("unity//games/walker", no_graphics=True)
    assert env.unwrapped._scene.file_name == "/games/walker"  # type: ignore[attr-defined]
    assert env.action_space == spaces.Discrete(3)
    observation, _ = env.reset()
    assert env.observation_space.contains(observation) and set(observation) == {"Camera", "Place"}
    observation, reward, *ends, _ = env.step(1)
    assert observation["Place"].tolist() == [1, 2] and reward == 1.0 and ends == [False, False]  # two of Unity's steps
    frame: Any = env.render()
    assert frame.shape == (4, 6, 3) and frame.dtype == np.uint8 and (frame == 25).all()
    assert env.step(2)[1:4] == (3.0, True, False)
    env.reset()
    steps = [env.step(0)[1:4] for _ in range(5)]
    assert steps[3:] == [(0.0, False, False), (0.0, False, True)]
    env.close()
    assert UnityEnvironment.open == 0


def test_unity_starts_anew_with_a_seed(unity):
    unity()
    env = make("unity/editor", seed=1)
    scene: Any = env.unwrapped
    assert scene._scene.file_name is None and env.reset()[0]["Place"][0] == 1
    assert env.reset(seed=2)[0]["Place"][0] == 2 and UnityEnvironment.open == 1


def test_unity_takes_all_kinds_of_action(unity):
    for branches, size, space in (
        ((2, 3), 0, spaces.MultiDiscrete([2, 3])),
        ((), 2, spaces.Box(-1.0, 1.0, (2,))),
        ((4,), 1, spaces.Dict({"discrete": spaces.Discrete(4), "continuous": spaces.Box(-1.0, 1.0, (1,))})),
    ):
        unity(branches=branches, size=size)
        env = make("unity/scene")
        assert env.action_space == space
        env.reset()
        env.action_space.seed(0)
        env.step(env.action_space.sample())
        acted = env.unwrapped._scene.acted  # type: ignore[attr-defined]
        assert acted.discrete is None if not branches else acted.discrete.shape == (1, len(branches))
        assert acted.continuous is None if not size else acted.continuous.shape == (1, size)


def test_unity_cameras_of_later_releases_are_turned(unity):
    unity(camera=(3, 4, 6))  # channels first
    env = make("unity/scene")
    env.reset(seed=5)
    frame: Any = env.render()
    assert frame.shape == (4, 6, 3) and (frame == 127).all()


def test_unity_that_does_not_start_says_why(unity):
    unity()
    with pytest.raises(
        UserError, match=r"^The Unity scene did not start: Couldn't launch the missing environment\. Che"
    ):
        make("unity/missing")
    with pytest.raises(UserError, match=r"The scene's behaviors are Walker\?team=0: name one with the option behavior"):
        make("unity/scene", behavior="Runner")
    assert UnityEnvironment.open == 0


# UnrealCV: unrealcv.Client


class UnrealClient:
    """A camera over a floor; the picture's red is x, its green the yaw."""

    def __init__(self, endpoint, type="inet"):
        self.endpoint, self.place, self.angles, self.there = endpoint, [10.0, 20.0, 30.0], [0.0, 0.0, 0.0], False

    def connect(self, timeout=1):
        self.there = self.endpoint[1] == 9000
        return self.there

    def disconnect(self):
        self.there = False

    def request(self, message, timeout=15):
        assert self.there
        verb, path, *values = message.split()
        kind = path.rpartition("/")[2]
        if path.split("/")[1:3] != ["camera", "0"]:
            return "error Can not find camera"
        if verb == "vset":
            setattr(self, {"location": "place", "rotation": "angles"}[kind], [float(v) for v in values])
            return "ok"
        if kind == "lit":
            file = io.BytesIO()
            colour = round(self.place[0]) % 256, round(self.angles[1]) % 256, 7
            Image.new("RGBA", (32, 24), (*colour, 255)).save(file, values[0])
            return file.getvalue()
        return " ".join(f"{v:.3f}" for v in {"location": self.place, "rotation": self.angles}[kind])


def test_unrealcv_flies_and_turns(install):
    install("unrealcv", Client=UnrealClient)
    env = make("unrealcv/localhost", turn=90.0, reward=lambda f: f[0, 0, 0] / 100, done=lambda f: f[0, 0, 0] > 100)
    client = env.unwrapped._client  # type: ignore[attr-defined]
    assert action_names(env) == ("none", "forward", "backward", "turn_left", "turn_right")
    observation, _ = env.reset()
    assert observation.shape == (24, 32, 3) and observation[0, 0].tolist() == [10, 0, 7]
    assert env.step(0)[1:4] == (0.1, False, False)
    env.step(1)
    assert client.place == [60, 20, 30] and env.render()[0, 0, 0] == 60  # type: ignore[index]
    env.step(4)
    env.step(2)  # backward, looking along y
    assert client.angles[1] == 90 and client.place == [60, -30, 30]
    env.step(3)
    assert env.step(1)[1:4] == (1.1, True, False)
    assert env.reset()[0][0, 0].tolist() == [10, 0, 7]
    env.close()
    assert not client.there


def test_unrealcv_without_a_scene_says_so(install):
    install("unrealcv", Client=UnrealClient)
    with pytest.raises(UserError, match=r"^No Unreal scene takes a client at localhost:9001\."):
        make("unrealcv/localhost:9001")
    with pytest.raises(UserError, match=r"does not answer 'vget /camera/3/location': error Can not find camera"):
        make("unrealcv/localhost:9000", camera=3)
    with pytest.raises(UserError, match=r"^Expected HOST:PORT"):
        make("unrealcv/localhost:port")


# Malmo: malmoenv.make


class MalmoEnv:
    """Counts steps in the lowest row of the picture; ends after three with a step that has no picture."""

    width, height, depth = 4, 3, 3

    def init(self, xml, port, server=None, action_filter=None):
        self.time, self.closed = 0, False
        if "<Mission" not in xml:
            raise ValueError("substring not found")
        verbs = sorted(action_filter or {"move", "turn"})
        self.action_space = SimpleNamespace(actions=[f"{verb} {way}" for verb in verbs for way in (1, -1)])

    def _see(self):
        picture = np.zeros((self.height, self.width, self.depth), np.uint8)
        picture[0] = self.time  # rows come from the lowest up
        return picture.ravel()

    def reset(self):
        self.time = 0
        return self._see()

    def step(self, action):
        assert type(action) is int and 0 <= action < len(self.action_space.actions)
        self.time += 1
        done = self.time == 3
        return np.array([], np.uint8) if done else self._see(), -0.5, done, json.dumps({"XPos": action})

    def close(self):
        self.closed = True


@pytest.fixture
def mission(install, tmp_path):
    """A mission's file, and the port of something that listens."""
    install("malmoenv", make=MalmoEnv)
    (tmp_path / "walk.xml").write_text("<?xml?><Mission/>")
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield tmp_path / "walk.xml", server.getsockname()[1]


def test_malmo_walks(mission):
    file, port = mission
    env = make(f"malmo/{file}", port=port)
    assert action_names(env) == ("move 1", "move -1", "turn 1", "turn -1")
    assert env.observation_space.contains(env.reset()[0])
    observation, reward, *ends, info = env.step(3)
    assert observation[:, 0, 0].tolist() == [0, 0, 1] and reward == -0.5 and ends == [False, False]
    assert json.loads(info["malmo"]) == {"XPos": 3} and np.array_equal(env.render(), observation)  # type: ignore[arg-type]
    env.step(0)
    observation, _, *ends, _ = env.step(0)
    assert ends == [True, False] and env.observation_space.contains(observation)
    env.close()
    assert env.unwrapped._malmo.closed  # type: ignore[attr-defined]
    assert action_names(make(f"malmo/{file}", port=port, actions=["jump"])) == ("jump 1", "jump -1")


def test_malmo_says_what_is_missing(mission, tmp_path):
    file, port = mission
    with pytest.raises(UserError, match=r"^Cannot read the mission nowhere.xml: No such file"):
        make("malmo/nowhere.xml", port=port)
    (tmp_path / "other.xml").write_text("<html/>")
    with pytest.raises(UserError, match=r"other\.xml did not start: substring not found"):
        make(f"malmo/{tmp_path / 'other.xml'}", port=port)
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    with pytest.raises(UserError, match=f"is not running: nothing listens at 127.0.0.1:{closed}"):
        make(f"malmo/{file}", port=closed)


# StarCraft II: pysc2.env.sc2_env, pysc2.lib, pysc2.maps, absl.flags

Kind = namedtuple("Kind", "name sizes")
Function = namedtuple("Function", "id name args")
FunctionCall = namedtuple("FunctionCall", "function arguments")
Valid = namedtuple("Valid", "types functions")
Told = namedtuple("Told", "step_type reward discount observation")
Told.last = lambda self: self.step_type == 2  # type: ignore[attr-defined]


class Map:
    def __init__(self, players):
        self.players = players


class SC2Env:
    """One unit on a 8×8 screen that goes where Move_screen says, once it is selected."""

    made: list[Any] = []  # noqa: RUF012

    def __init__(self, *, map_name, players, agent_interface_format, step_mul, random_seed=None, **options):
        self.players, self.seed, self.options, self.open = players, random_seed, options, True
        screen, queued, add = Kind("screen", (8, 8)), Kind("queued", (2,)), Kind("select_add", (2,))
        functions = [
            Function(0, "no_op", []), Function(1, "select_army", [add]), Function(2, "Move_screen", [queued, screen])
        ]  # fmt: skip
        self.valid = Valid((screen, queued, add), functions)
        SC2Env.made.append(self)

    def action_spec(self):
        return (self.valid,)

    def observation_spec(self):
        return ({"feature_screen": (27, 8, 8), "feature_minimap": (11, 4, 4), "player": (11,)},)

    def _tell(self, kind, reward, discount):
        screen = np.zeros((27, 8, 8), np.int32)
        screen[6, self.at[1], self.at[0]] = 48
        seen = {
            "feature_screen": screen,
            "feature_minimap": np.zeros((11, 4, 4), np.int32),
            "player": np.arange(11),
            "available_actions": np.array([0, 1, 2] if self.selected else [0, 1]),
        }
        return (Told(kind, reward, discount, seen),)

    def reset(self):
        self.at, self.selected, self.time, self.calls = [0, 0], False, 0, []
        return self._tell(0, 0, 0)

    def step(self, actions):
        (call,) = actions
        self.calls.append(call)
        self.time += 1
        if call.function == 1:
            self.selected = True
        if call.function == 2:
            self.at = call.arguments[1]
        won = self.at == [7, 7]
        return self._tell(2 if won or self.time == 9 else 1, int(won), 0.0 if won else 1.0)

    def close(self):
        self.open = False


@pytest.fixture
def starcraft(install):
    flags = SimpleNamespace(parsed=False)
    flags.is_parsed = lambda: flags.parsed
    flags.mark_as_parsed = lambda: setattr(flags, "parsed", True)
    install("absl.flags", FLAGS=flags)
    SC2Env.made = []
    Agent, Bot = namedtuple("Agent", "race"), namedtuple("Bot", "race difficulty")
    Race, Difficulty = Enum("Race", "terran zerg protoss random"), Enum("Difficulty", "very_easy medium")
    install("pysc2.env.sc2_env", SC2Env=SC2Env, Agent=Agent, Bot=Bot, Race=Race, Difficulty=Difficulty)
    layer = SimpleNamespace(index=6, color=lambda plane: np.arange(49 * 3).reshape(49, 3)[plane])
    install(
        "pysc2.lib.features",
        SCREEN_FEATURES=SimpleNamespace(unit_type=layer),
        Dimensions=lambda screen, minimap: (screen, minimap),
        AgentInterfaceFormat=lambda feature_dimensions: feature_dimensions,
    )
    install("pysc2.lib.actions", FunctionCall=FunctionCall)

    def get(name):
        if name not in ("MoveToBeacon", "Simple64"):
            raise KeyError(f"Map doesn't exist: {name}")
        return Map(1 if name == "MoveToBeacon" else 2)

    install("pysc2.maps", get=get)
    return flags


def test_starcraft_selects_and_moves(starcraft):
    env = make("sc2/MoveToBeacon", size=8, minimap=4)
    assert starcraft.parsed and env.action_space == spaces.MultiDiscrete([3, 8, 8, 2, 2])
    observation, _ = env.reset()
    assert env.observation_space.contains(observation) and observation["available"].tolist() == [1, 1, 0]
    move = np.array([2, 3, 5, 1, 0])  # function, screen x and y, queued, select_add
    env.step(move)  # not available yet
    observation = env.step(np.array([1, 0, 0, 0, 1]))[0]
    assert observation["available"].tolist() == [1, 1, 1]
    observation, reward, *ends, _ = env.step(move)
    game = SC2Env.made[0]
    assert game.calls == [FunctionCall(0, []), FunctionCall(1, [[1]]), FunctionCall(2, [[1], [3, 5]])]
    assert observation["screen"][6, 5, 3] == 48 and reward == 0 and ends == [False, False]
    frame: Any = env.render()
    assert frame.shape == (8, 8, 3) and frame[5, 3].tolist() == [144, 145, 146]
    assert env.step(np.array([2, 7, 7, 0, 0]))[1:4] == (1.0, True, False)
    env.reset()
    assert [env.step(np.zeros(5, int))[2:4] for _ in range(9)][-1] == (False, True)  # the step limit
    env.close()
    assert not game.open


def test_starcraft_starts_anew_with_a_seed_and_finds_an_opponent(starcraft):
    env = make("sc2/Simple64", race="zerg", opponent="medium", game_steps_per_episode=100)
    env.reset(seed=4)
    first, second = SC2Env.made
    assert not first.open and second.seed == 4 and second.options == {"game_steps_per_episode": 100}
    assert [[value.name for value in player] for player in second.players] == [["zerg"], ["random", "medium"]]


def test_starcraft_that_does_not_start_says_why(starcraft):
    with pytest.raises(
        UserError, match=r"^StarCraft II on Nowhere did not start: .*Map doesn't exist: Nowhere.*SC2PATH"
    ):
        make("sc2/Nowhere")


# DeepMind Lab: deepmind_lab.Lab

PARTS = [
    {"name": "LOOK_LEFT_RIGHT_PIXELS_PER_FRAME", "min": -512, "max": 512},
    {"name": "LOOK_DOWN_UP_PIXELS_PER_FRAME", "min": -512, "max": 512},
    {"name": "STRAFE_LEFT_RIGHT", "min": -1, "max": 1},
    {"name": "MOVE_BACK_FORWARD", "min": -1, "max": 1},
    {"name": "FIRE", "min": 0, "max": 1},
    {"name": "JUMP", "min": 0, "max": 1},
    {"name": "CROUCH", "min": 0, "max": 1},
]


class Lab:
    """Moves forward in a corridor of ten frames."""

    def __init__(self, level, observations, config, renderer="software"):
        if level == "nowhere":
            raise RuntimeError("Invalid level script: nowhere")
        assert observations == ["RGB_INTERLACED"] and all(type(value) is str for value in config.values())
        self.config, self.x, self.frames, self.closed = config, 0, 10, False

    def action_spec(self):
        return PARTS

    def reset(self, episode=-1, seed=None):
        self.x, self.frames, self.seed = 0, 0, seed

    def is_running(self):
        return self.frames < 10

    def step(self, action, num_steps=1):
        assert action.dtype == np.intc and action.shape == (7,)
        self.frames += num_steps
        self.x += int(action[3]) * num_steps
        return float(action[3])

    def observations(self):
        if not self.is_running():
            raise RuntimeError("Environment in wrong status for call to observations()")
        shape = int(self.config["height"]), int(self.config["width"]), 3
        return {"RGB_INTERLACED": np.full(shape, self.x, np.uint8)}

    def close(self):
        self.closed = True


def test_deepmind_lab_moves_and_ends(install):
    install("deepmind_lab", Lab=Lab)
    env = make("dmlab/seekavoid_arena_01", width=32, height=24, botCount=2)
    lab = env.unwrapped._lab  # type: ignore[attr-defined]
    assert lab.config == {"width": "32", "height": "24", "fps": "60", "botCount": "2"}
    assert env.action_space.start.tolist() == [-512, -512, -1, -1, 0, 0, 0]  # type: ignore[attr-defined]
    assert env.action_space.contains(np.array([512, -512, 1, 1, 1, 1, 1]))
    assert not env.action_space.contains(np.array([513, 0, 0, 0, 0, 0, 0]))
    observation, _ = env.reset(seed=9)
    assert lab.seed == 9 and observation.shape == (24, 32, 3)
    forward = np.array([0, 0, 0, 1, 0, 0, 0])
    observation, reward, *ends, _ = env.step(forward)
    assert (observation == 4).all() and reward == 1.0 and ends == [False, False]  # four frames
    env.step(forward)
    observation, _, *ends, _ = env.step(forward)
    assert ends == [True, False] and (observation == 8).all() and np.array_equal(env.render(), observation)  # type: ignore[arg-type]
    env.close()
    assert lab.closed


def test_deepmind_lab_names_a_level_that_is_not_there(install):
    install("deepmind_lab", Lab=Lab)
    with pytest.raises(UserError, match=r"^The level nowhere did not start: Invalid level script: nowhere\."):
        make("dmlab/nowhere")


REAL = os.environ.get("POKEGEN_CLIENTS", "").split()
if REAL:

    @pytest.mark.parametrize("id", REAL)
    def test_the_real_package_plays(id):
        env = make(id)
        try:
            env.action_space.seed(0)
            observation, _ = env.reset(seed=0)
            assert env.observation_space.contains(observation)
            for _ in range(20):
                observation, reward, terminated, truncated, _ = env.step(env.action_space.sample())
                assert env.observation_space.contains(observation)
                assert np.isfinite(reward)
                if terminated or truncated:
                    env.reset()
            frame = env.render()
            assert frame.dtype == np.uint8 and frame.ndim == 3 and frame.shape[2] == 3
        finally:
            env.close()
