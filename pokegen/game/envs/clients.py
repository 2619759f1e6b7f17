"""Clients of simulators that the user installs: Unity ML-Agents, UnrealCV, Malmo, StarCraft II and DeepMind Lab.

Each maps the simulator's own Python interface to Gymnasium's, and starts where its package and its program are there;
where not, a UserError of one line names what is missing. `connect` makes one by the name of an id. Written after
mlagents_envs 0.28, unrealcv 1.3, malmoenv 0.0.8, pysc2 4.0, and the Python page of DeepMind Lab's repository.

All give `render()` as uint8 RGB (H, W, 3). Left out: more than one agent of the user's in a scene; save and restore,
which none of these programs offers.
"""

import contextlib
import io
import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from pokegen.errors import UserError
from pokegen.optional import first_line, require


class Client(gymnasium.Env):
    """What they share: the last picture."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012  # as Gymnasium has it
    _frame: np.ndarray | None = None  # uint8 RGB (H, W, 3)

    def __init__(self, render_mode: str | None = "rgb_array"):
        self.render_mode = render_mode

    def render(self) -> np.ndarray | None:
        if self.render_mode == "rgb_array" and self._frame is None:
            raise UserError("There is no picture yet: reset first; a scene without a camera has none, use its vectors.")
        return self._frame if self.render_mode == "rgb_array" else None


class Unity(Client):
    """A Unity scene with ML-Agents: unity/PATH of a built scene, or unity/editor for the Editor, once it plays.

    Observation: the sensor's array, or a Dict of them by the sensor's name: cameras float32 in [0, 1] as Unity sends
    them, vectors float32. Action: Discrete or MultiDiscrete for branches, Box in [-1, 1] for continuous ones, a Dict
    with "discrete" and "continuous" for both. An episode that the scene interrupts is truncated. `reset(seed=…)` starts
    the program again, since Unity takes a seed only then.

    Args:
        path: of the program.
        behavior: its name, where the scene has several; the scene must have one agent of it.
        options: what mlagents_envs.environment.UnityEnvironment takes, such as worker_id, no_graphics, timeout_wait.
    """

    def __init__(self, path: str, render_mode: str | None = "rgb_array", behavior: str | None = None, **options: Any):
        super().__init__(render_mode)
        self._unity = require("mlagents_envs.environment", "mlagents_envs", "mlagents_envs").UnityEnvironment
        self._tuple = require("mlagents_envs.base_env").ActionTuple
        self._options = {"file_name": None if path == "editor" else path, **options}
        self._start(int(options.get("seed", 0)))
        known = list(self._scene.behavior_specs)
        self._behavior = behavior or known[0]
        if self._behavior not in known or (behavior is None and len(known) > 1):
            self.close()
            raise UserError(f"The scene's behaviors are {', '.join(known)}: name one with the option behavior.")
        spec = self._scene.behavior_specs[self._behavior]
        self._names = [s.name or f"sensor {i}" for i, s in enumerate(spec.observation_specs)]
        seen = [
            spaces.Box(0.0, 1.0, s.shape) if len(s.shape) == 3 else spaces.Box(-np.inf, np.inf, s.shape)
            for s in spec.observation_specs
        ]
        self.observation_space = seen[0] if len(seen) == 1 else spaces.Dict(dict(zip(self._names, seen, strict=True)))
        branches, size = spec.action_spec.discrete_branches, spec.action_spec.continuous_size
        parts: dict[str, spaces.Space] = {}
        if branches:
            parts["discrete"] = spaces.Discrete(branches[0]) if len(branches) == 1 else spaces.MultiDiscrete(branches)
        if size:
            parts["continuous"] = spaces.Box(-1.0, 1.0, (size,))
        self.action_space = spaces.Dict(parts) if len(parts) > 1 else next(iter(parts.values()))

    def _start(self, seed: int) -> None:
        with starting("The Unity scene", "Check the path, and that the scene is built with ML-Agents"):
            self._scene = self._unity(**self._options | {"seed": seed})
            self._scene.reset()

    def _see(self, steps: Any) -> Any:
        arrays = [np.asarray(observed[0], np.float32) for observed in steps.obs]  # of its only agent
        pictures = [a for a in arrays if a.ndim == 3]
        if pictures:
            picture = pictures[0]
            if picture.shape[2] not in (1, 3):  # later releases send channels first
                picture = picture.transpose(1, 2, 0)
            self._frame = np.broadcast_to((picture * 255).astype(np.uint8), (*picture.shape[:2], 3)).copy()
        return arrays[0] if len(arrays) == 1 else dict(zip(self._names, arrays, strict=True))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        if seed is None:
            self._scene.reset()
        else:
            self.close()
            self._start(seed)
        steps, _ = self._scene.get_steps(self._behavior)
        if len(steps) != 1:
            raise UserError(f"The scene has {len(steps)} agents of {self._behavior}: expected one.")
        return self._see(steps), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        parts = action if isinstance(action, dict) else {
            "continuous" if isinstance(self.action_space, spaces.Box) else "discrete": action
        }  # fmt: skip
        types = {"continuous": np.float32, "discrete": np.int32}
        rows = {name: np.asarray(part, types[name]).reshape(1, -1) for name, part in parts.items()}
        self._scene.set_actions(self._behavior, self._tuple(**rows))
        while True:  # until the agent asks for a decision or ends; other behaviors may have asked before
            self._scene.step()
            decision, terminal = self._scene.get_steps(self._behavior)
            if len(terminal):
                cut = bool(terminal.interrupted[0])
                return self._see(terminal), float(terminal.reward[0]), not cut, cut, {}
            if len(decision):
                return self._see(decision), float(decision.reward[0]), False, False, {}

    def close(self) -> None:
        self._scene.close()


class UnrealCV(Client):
    """A camera that flies through an Unreal scene with UnrealCV: unrealcv/HOST:PORT of a running one.

    Observation: what the camera sees, uint8 RGB (H, W, 3). Action: Discrete(5), `action_names`. Reward: `reward` of the
    picture, else 0; terminated where `done` of the picture is true. Reset puts the camera back to where it was first.
    The scene runs in real time and draws its own random numbers.

    Args:
        address: host and port; port 9000 is UnrealCV's default.
        camera: its number.
        stride: centimetres of a step.
        turn: degrees of a turn.
        reward: from a picture to a number.
        done: from a picture to whether the episode ends with it.
    """

    action_names = ("none", "forward", "backward", "turn_left", "turn_right")

    def __init__(
        self,
        address: str,
        render_mode: str | None = "rgb_array",
        camera: int = 0,
        stride: float = 50.0,
        turn: float = 15.0,
        reward: Callable[[np.ndarray], float] | None = None,
        done: Callable[[np.ndarray], bool] | None = None,
    ):
        super().__init__(render_mode)
        unrealcv = require("unrealcv", install="unrealcv")
        host, port = endpoint(address, 9000)
        self._camera, self.stride, self.turn, self.reward, self.done = f"/camera/{camera}", stride, turn, reward, done
        self._client = unrealcv.Client((host, port))
        logging.getLogger("unrealcv").setLevel(logging.CRITICAL)  # it logs what the error here contains
        with contextlib.redirect_stdout(io.StringIO()):
            connected = self._client.connect()
        if not connected:
            raise UserError(
                f"No Unreal scene takes a client at {host}:{port}. Start one with UnrealCV; one client each."
            )
        self._first = [self._ask(f"vget {self._camera}/{part}") for part in ("location", "rotation")]
        self.observation_space = spaces.Box(0, 255, self._look().shape, np.uint8)
        self.action_space = spaces.Discrete(len(self.action_names))

    def _ask(self, command: str) -> Any:
        answer = self._client.request(command)
        if answer is None or (isinstance(answer, str) and answer.lower().startswith("error")):
            raise UserError(f"The Unreal scene does not answer {command!r}: {answer or 'it is gone'}.")
        return answer

    def _look(self) -> np.ndarray:
        from PIL import Image

        self._frame = np.array(Image.open(io.BytesIO(self._ask(f"vget {self._camera}/lit png"))).convert("RGB"))
        return self._frame

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        for part, value in zip(("location", "rotation"), self._first, strict=True):
            self._ask(f"vset {self._camera}/{part} {value}")
        return self._look(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        name = self.action_names[int(action)]
        pitch, yaw, roll = (float(v) for v in self._ask(f"vget {self._camera}/rotation").split())
        if name.startswith("turn"):
            yaw += self.turn if name == "turn_right" else -self.turn  # Unreal's axes are left-handed
            self._ask(f"vset {self._camera}/rotation {pitch} {yaw} {roll}")
        elif name != "none":
            x, y, z = (float(v) for v in self._ask(f"vget {self._camera}/location").split())
            far = self.stride if name == "forward" else -self.stride
            x, y = x + far * np.cos(np.radians(yaw)), y + far * np.sin(np.radians(yaw))
            self._ask(f"vset {self._camera}/location {x} {y} {z}")
        frame = self._look()
        return frame, float(self.reward(frame)) if self.reward else 0.0, bool(self.done and self.done(frame)), False, {}

    def close(self) -> None:
        self._client.disconnect()


class Malmo(Client):
    """A Minecraft mission with Malmo: malmo/MISSION.xml, where Minecraft with MalmoEnv runs.

    Observation: the mission's video, uint8 RGB (H, W, 3), or (H, W, 4) with depth. Action: Discrete, with the names of
    the mission's commands, such as "move 1". info["malmo"] is the mission's JSON text. Malmo does not distinguish an
    end from a time limit: each is terminated. The mission holds its own seed.

    Args:
        mission: file of the mission.
        port, server: where Minecraft listens.
        actions: verbs that are allowed, such as move, turn, use, attack; None for malmoenv's choice.
    """

    def __init__(
        self,
        mission: str,
        render_mode: str | None = "rgb_array",
        port: int = 9000,
        server: str = "127.0.0.1",
        actions: Sequence[str] | None = None,
    ):
        super().__init__(render_mode)
        malmoenv = require("malmoenv", install="malmoenv")
        try:
            xml = Path(mission).read_text(encoding="utf-8")
        except OSError as error:
            raise UserError(f"Cannot read the mission {mission}: {error.strerror}.") from error
        try:
            socket.create_connection((server, port), timeout=2).close()
        except OSError as error:
            raise UserError(f"Minecraft with MalmoEnv is not running: nothing listens at {server}:{port}.") from error
        self._malmo = malmoenv.make()
        with starting(f"The mission {mission}", "Check the file"):
            self._malmo.init(xml, port, server=server, action_filter=None if actions is None else set(actions))
        self._shape = self._malmo.height, self._malmo.width, self._malmo.depth
        self.action_names = tuple(action.lower() for action in self._malmo.action_space.actions)
        self.observation_space = spaces.Box(0, 255, self._shape, np.uint8)
        self.action_space = spaces.Discrete(len(self.action_names))

    def _see(self, observed: Any) -> np.ndarray:
        seen = np.flipud(np.asarray(observed, np.uint8).reshape(self._shape)).copy()  # it comes bottom row first
        self._frame = seen[..., :3]
        return seen

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        with starting("The mission", "See Minecraft's window for what it says"):
            return self._see(self._malmo.reset()), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        observed, reward, done, info = self._malmo.step(int(action))
        if observed is None or not np.size(observed):  # nothing comes with an end
            observed = np.zeros(self._shape, np.uint8)
        return self._see(observed), float(reward or 0.0), bool(done), False, {"malmo": info or ""}

    def close(self) -> None:
        with contextlib.suppress(OSError):  # Minecraft may be gone
            self._malmo.close()


class StarCraft(Client):
    """StarCraft II through pysc2 (Vinyals et al., A New Challenge for Reinforcement Learning, 2017): sc2/MAP.

    Observation: Dict of `screen`, int32 (layers, size, size), `minimap`, int32 (layers, minimap, minimap), `player`,
    int32 (11,), and `available`, int8 (functions,): 1 where a function may be called now. Action: MultiDiscrete of the
    function and, one after the other, each argument of each argument type, as in the paper's section 3.3; what the
    function does not take is ignored, and one that is not available does nothing. `render()` paints the screen's layer
    of unit types. Game over is terminated, the step limit truncated. `reset(seed=…)` restarts the game.

    Args:
        map: such as MoveToBeacon.
        size, minimap: pixels a side of the feature layers.
        race: of the player: terran, zerg, protoss or random.
        opponent: difficulty of the built-in one on a map for two, such as very_easy or medium.
        step_mul: game steps a step; pysc2's agents use 8.
        options: what pysc2.env.sc2_env.SC2Env takes, such as game_steps_per_episode.
    """

    def __init__(
        self,
        map: str,
        render_mode: str | None = "rgb_array",
        size: int = 84,
        minimap: int = 64,
        race: str = "terran",
        opponent: str = "very_easy",
        step_mul: int = 8,
        **options: Any,
    ):
        super().__init__(render_mode)
        sc2, self._features, self._actions, maps = (
            require(f"pysc2.{name}", "pysc2", "pysc2")
            for name in ("env.sc2_env", "lib.features", "lib.actions", "maps")
        )
        flags = require("absl.flags").FLAGS
        if not flags.is_parsed():  # pysc2 reads them, whoever calls it
            flags.mark_as_parsed()
        with starting(f"StarCraft II on {map}", "Install the game and its maps, and set SC2PATH to its folder"):
            players: list[Any] = [sc2.Agent(sc2.Race[race])]
            if maps.get(map).players > 1:
                players.append(sc2.Bot(sc2.Race.random, sc2.Difficulty[opponent]))
            sides = self._features.Dimensions(screen=size, minimap=minimap)
            looks = self._features.AgentInterfaceFormat(feature_dimensions=sides)
            self._options = {"map_name": map, "players": players, "agent_interface_format": looks, **options}
            self._make = lambda **more: sc2.SC2Env(**self._options, step_mul=step_mul, **more)
            self._game = self._make()
        spec = self._game.action_spec()[0]
        self._functions, self._types = spec.functions, tuple(spec.types)
        self.action_space = spaces.MultiDiscrete([len(self._functions), *(n for t in self._types for n in t.sizes)])
        shapes = self._game.observation_spec()[0]
        low, high = np.iinfo(np.int32).min, np.iinfo(np.int32).max
        self._parts = {"screen": "feature_screen", "minimap": "feature_minimap", "player": "player"}
        seen = {k: spaces.Box(low, high, tuple(shapes[v]), np.int32) for k, v in self._parts.items()}
        self.observation_space = spaces.Dict(seen | {"available": spaces.MultiBinary(len(self._functions))})

    def _see(self, observed: Any) -> dict[str, np.ndarray]:
        seen = {key: np.asarray(observed[name], np.int32) for key, name in self._parts.items()}
        self._available = np.zeros(len(self._functions), np.int8)
        self._available[np.asarray(observed["available_actions"])] = 1
        layer = self._features.SCREEN_FEATURES.unit_type
        self._frame = np.asarray(layer.color(seen["screen"][layer.index]), np.uint8)
        return seen | {"available": self._available}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        if seed is not None:
            self._game.close()
            self._game = self._make(random_seed=seed)
        return self._see(self._game.reset()[0].observation), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        chosen, *rest = (int(part) for part in action)
        given = {}
        for kind in self._types:
            given[kind.name], rest = rest[: len(kind.sizes)], rest[len(kind.sizes) :]
        chosen = chosen if self._available[chosen] else 0  # no_op
        arguments = [given[kind.name] for kind in self._functions[chosen].args]
        step = self._game.step([self._actions.FunctionCall(chosen, arguments)])[0]
        done, cut = step.last(), step.last() and bool(step.discount)
        return self._see(step.observation), float(step.reward), done and not cut, cut, {}

    def close(self) -> None:
        self._game.close()


class DeepMindLab(Client):
    """A level of DeepMind Lab (Beattie et al., DeepMind Lab, 2016): dmlab/LEVEL, such as dmlab/seekavoid_arena_01.

    Observation: uint8 RGB (height, width, 3). Action: MultiDiscrete of the level's action specification, seven parts in
    its own ranges: look left and right, look down and up (pixels a frame), strafe, move, fire, jump, crouch. The Lab
    does not distinguish an end from a time limit: each is terminated.

    Args:
        level: its script.
        width, height: pixels.
        frame_skip: frames a step, of `fps` a second.
        options: what the level takes, such as botCount.
    """

    def __init__(
        self,
        level: str,
        render_mode: str | None = "rgb_array",
        width: int = 128,
        height: int = 128,
        fps: int = 60,
        frame_skip: int = 4,
        renderer: str = "software",
        **options: Any,
    ):
        super().__init__(render_mode)
        lab = require("deepmind_lab", install="a wheel built from github.com/google-deepmind/lab")
        config = {"width": width, "height": height, "fps": fps, **options}
        with starting(f"The level {level}", "See its name in DeepMind Lab's game_scripts/levels"):
            strings = {key: str(value) for key, value in config.items()}
            self._lab = lab.Lab(level, ["RGB_INTERLACED"], config=strings, renderer=renderer)
        self.frame_skip = frame_skip
        low, high = (np.array([part[end] for part in self._lab.action_spec()]) for end in ("min", "max"))
        self.action_space = spaces.MultiDiscrete(high - low + 1, start=low)
        self.observation_space = spaces.Box(0, 255, (height, width, 3), np.uint8)

    def _see(self) -> np.ndarray:
        self._frame = np.array(self._lab.observations()["RGB_INTERLACED"], np.uint8)
        return self._frame

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self._lab.reset(seed=seed)
        return self._see(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        reward = float(self._lab.step(np.asarray(action, np.intc), num_steps=self.frame_skip))
        done = not self._lab.is_running()  # and then it shows nothing more
        return self._frame if done else self._see(), reward, done, False, {}

    def close(self) -> None:
        self._lab.close()


_KINDS: dict[str, Callable[..., Client]] = {
    "unity": Unity,
    "unrealcv": UnrealCV,
    "malmo": Malmo,
    "sc2": StarCraft,
    "dmlab": DeepMindLab,
}


def connect(kind: str, name: str, render_mode: str | None = "rgb_array", **options: Any) -> Client:
    """The client of an id kind/name; `options`: see its class. UserError where a package or a program is missing."""
    return _KINDS[kind](name, render_mode=render_mode, **options)


@contextlib.contextmanager
def starting(what: str, advice: str) -> Iterator[None]:
    """Turn whatever a simulator raises as it starts into one line; these programs fail in many ways."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{what} did not start: {first_line(error)}. {advice}.") from error


def endpoint(address: str, port: int) -> tuple[str, int]:
    """Host and port of HOST:PORT, or of HOST with the given port."""
    host, _, given = address.partition(":")
    if not host or not (given or "0").isdecimal():
        raise UserError(f"Expected HOST:PORT, such as 127.0.0.1:{port}, got {address!r}.")
    return host, int(given or port)
