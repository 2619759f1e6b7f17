"""What the agents that learn by playing share: the base of their networks, the budget, and the training step.

A training step is one iteration: `num_steps` steps of all environments, the updates on them, one row of the log.
Lightning's own cost, a fraction of a millisecond an iteration, is then small next to environments and matrix products.
Budgets count environment steps, including steps whose action autoreset ignores.

For agents one "sample" is one environment step: the log's column `images`, the buffer `images_seen` in a checkpoint and
the half-life of the averaged weights count environment steps. At each checkpoint all environments are reset with seeds
from the run's own random numbers, so that a stopped and resumed run equals one that was never stopped.

Metrics, in addition to those of each agent:

    train/return, train/length  mean of the last 100 finished episodes; undiscounted returns of the environment's reward
    train/env_steps             steps of all environments so far
    train/updates               steps of the optimizer so far
    train/speed                 steps of all environments a second since the last iteration, learning included
    val/return, val/length      mean of `val_episodes` episodes of the averaged weights; the best checkpoint has most
    val/return_deviation        standard deviation of those returns
"""

import functools
import math
import os
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import lightning as L
import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.utils.data import DataLoader

from pokegen.errors import UserError
from pokegen.game.envs import vector
from pokegen.game.video.codec import FRAME_SIZE, gray
from pokegen.models.network import Network
from pokegen.trainers.base import TrainingModule

VAL_SEED = 1_000_000  # of validation's episodes, far from those of training and of a report
RECENT = 100  # episodes
AT_ONCE = 16  # environments of `network_returns`


DTYPES = ("uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")


def plain_space(space: spaces.Space) -> dict[str, Any]:
    """A space as plain values. Bounds that are all the same are one number. Raises UserError for other kinds."""

    def numbers(values: Any) -> Any:
        flat = np.asarray(values).ravel().tolist()
        return flat[0] if flat and len(set(flat)) == 1 else flat

    if isinstance(space, spaces.Box):
        bounds = {"low": numbers(space.low), "high": numbers(space.high)}
        return {"kind": "Box", "shape": list(space.shape), "dtype": str(space.dtype), **bounds}
    if isinstance(space, spaces.Discrete):
        return {"kind": "Discrete", "n": int(space.n), "start": int(space.start)}
    if isinstance(space, spaces.MultiDiscrete) and space.nvec.ndim == 1:
        return {"kind": "MultiDiscrete", "nvec": space.nvec.tolist(), "start": space.start.tolist()}
    raise UserError(f"A checkpoint holds Box, Discrete and MultiDiscrete spaces, not {space}.")


def space_of(plain: Mapping[str, Any]) -> spaces.Space:
    """The space that `plain_space` gave. Raises UserError for what is none, or has over 16,777,216 numbers."""
    kind = plain["kind"]
    if kind == "Box":
        shape, dtype = tuple(map(int, plain["shape"])), str(plain["dtype"])
        if dtype not in DTYPES or min(shape, default=1) < 1 or math.prod(shape) > 2**24:
            raise UserError(f"No space of an agent: shape {shape}, dtype {dtype}.")
        low, high = (
            np.broadcast_to(x, shape) if not x.ndim else x.reshape(shape)
            for x in (np.array(plain[key], dtype) for key in ("low", "high"))
        )
        return spaces.Box(low, high, shape, np.dtype(dtype).type)
    if kind == "Discrete":
        return spaces.Discrete(int(plain["n"]), start=int(plain["start"]))
    if kind == "MultiDiscrete":
        nvec, start = (np.array(plain[key], np.int64).reshape(-1) for key in ("nvec", "start"))
        return spaces.MultiDiscrete(nvec, start=start)
    raise UserError(f"No space of an agent: {kind!r}.")


class AgentNetwork(Network):
    """What plays one environment.

    Args:
        env: its id, see envs.make.
        options: of the environment; `state: true` shows a mini-game's state instead of its picture.
        plain_spaces: observation and action space, as the method of this name gives them and a checkpoint holds them;
            None makes the environment and takes its own.
    """

    unit = "environment steps"

    def __init__(
        self, env: str, options: Mapping[str, Any] | None = None, plain_spaces: Mapping[str, Any] | None = None
    ):
        super().__init__()
        self.env, self.options = env, dict(options or {})
        self.observation_space: Any
        self.action_space: Any
        self.agents: tuple[str, ...]  # of several
        if plain_spaces is None:
            one: Any = self.single()
            self.observation_space, self.action_space = one.observation_space, one.action_space
            self.agents = tuple(getattr(one, "agents", ()))
            one.close()
        else:
            self.observation_space = space_of(plain_spaces["observation"])
            self.action_space = space_of(plain_spaces["action"])
            self.agents = tuple(map(str, plain_spaces["agents"]))

    def plain_spaces(self) -> dict[str, Any]:
        """What a checkpoint holds, so that it loads without its environment."""
        found = {"observation": plain_space(self.observation_space), "action": plain_space(self.action_space)}
        return {**found, "agents": list(self.agents)}

    def single(self, render_mode: str | None = None) -> gymnasium.Env:
        """The environment, as it is played."""
        return vector.single(self.env, render_mode, **self.options)

    def vector(self, count: int, **options: Any) -> gymnasium.vector.VectorEnv:
        """Several of it at once."""
        return vector.make_vector(self.env, count, **self.options | options)

    def act(self, observation: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Returns actions of the action space, (N, …), for N observations."""
        raise NotImplementedError


LEAST = 36  # pixels of a side, for three convolutions


class FeatureExtractor(nn.Module):
    """Observations → features (N, `size`): of stacked screens, uint8 (N, K, H, W) or in color (N, K, H, W, 3), the
    convolutions of Mnih et al., Nature 2015, and layers; of vectors (N, D), layers alone.

    Args:
        space: of one observation.
        hidden: units of the layers.
        activation: between them; after convolutions it is ReLU.
        widths: channels of the three convolutions.
    """

    def __init__(
        self,
        space: spaces.Box,
        hidden: Sequence[int],
        activation: type[nn.Module] = nn.ReLU,
        widths: Sequence[int] = (32, 64, 64),
    ):
        super().__init__()
        self.screens = len(space.shape) >= 3
        if self.screens and (space.dtype != np.uint8 or min(space.shape[1:3]) < LEAST):
            raise UserError(
                f"Screens must be uint8 (K, H, W) or (K, H, W, 3), K of them, {LEAST} pixels and more, got {space}. "
                "Of a mini-game options: {state: true} shows the state instead."
            )
        layers: list[nn.Module] = []
        size = math.prod(space.shape)
        if self.screens:
            stack, *sides = space.shape[:3]
            channels = stack * math.prod(space.shape[3:])
            for width, kernel, stride in zip(widths, (8, 4, 3), (4, 2, 1), strict=True):
                layers += [nn.Conv2d(channels, width, kernel, stride), nn.ReLU()]
                channels, sides = width, [(side - kernel) // stride + 1 for side in sides]
            layers.append(nn.Flatten())
            size = channels * math.prod(sides)
        for width in hidden:
            layers += [nn.Linear(size, width), activation()]
            size = width
        self.layers, self.size = nn.Sequential(*layers), size

    def forward(self, observation: Tensor) -> Tensor:
        if self.screens:
            fast = torch.is_autocast_enabled(observation.device.type)
            x = observation.to(torch.get_autocast_dtype(observation.device.type) if fast else torch.float32)
            if x.ndim == 5:
                x = x.permute(0, 1, 4, 2, 3).flatten(1, 2)  # (N, 3K, H, W)
            return self.layers(x.div_(255).contiguous(memory_format=torch.channels_last))
        return self.layers(observation.float().flatten(1))


def idle_cores() -> int:
    """Cores that nothing ran on in the last minute, by the system's load; at least one, and at most what torch would
    take, which OMP_NUM_THREADS limits."""
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return max(1, min(torch.get_num_threads(), round((os.cpu_count() or 1) - busy)))


class EnvStepBudget(L.LightningDataModule):
    """The budget: the data are the numbers of iterations.

    Args:
        steps: environment steps in all, to the nearest epoch.
        epoch_steps: between two validations and checkpoints, to the nearest training step; 0 for a twentieth of all.
    """

    def __init__(self, steps: int, epoch_steps: int = 0):
        super().__init__()
        if steps < 1 or epoch_steps < 0:
            raise UserError(f"steps must be at least 1 and epoch_steps at least 0, got {steps} and {epoch_steps}.")
        if steps < epoch_steps:
            raise UserError(
                f"steps ({steps}) must be at least epoch_steps ({epoch_steps}): set --data.epoch_steps too; 0 is a "
                "twentieth of all."
            )
        self.steps, self.epoch_steps = steps, epoch_steps or math.ceil(steps / 20)

    def setup(self, stage: str) -> None:
        if stage == "fit" and self.trainer and self.trainer.max_epochs in (None, -1):
            module: Any = self.trainer.lightning_module
            played = len(self.train_dataloader()) * module.iteration_steps  # in an epoch
            self.trainer.fit_loop.max_epochs = max(1, round(self.steps / played))

    def train_dataloader(self) -> DataLoader:
        trainer: Any = self.trainer
        return _iterations(max(1, round(self.epoch_steps / trainer.lightning_module.iteration_steps)))

    def val_dataloader(self) -> DataLoader:
        return _iterations(1)

    test_dataloader = val_dataloader


def annealed(step: int, start: float, end: float, steps: int) -> float:
    """Linear from `start` at step 0 to `end` at step `steps`; `end` after it."""
    return start + (end - start) * min(1.0, step / max(1, steps))


def _iterations(count: int) -> DataLoader:
    numbers: Any = range(count)  # a DataLoader needs only a sequence
    return DataLoader(numbers, batch_size=None)


def network_returns(network: AgentNetwork, episodes: int, seed: int = 0) -> list[tuple[float, int]]:
    """The return, undiscounted, and the steps of each of `episodes` episodes of an agent, which plays many at once.

    Each environment plays a fixed share of the episodes: stopping after the first `episodes` finished ones would favour
    short ones. The first episode of environment i has seed `seed` + i; its later episodes continue from there.
    """
    count = min(episodes, AT_ONCE)
    share = np.array([episodes // count + (i < episodes % count) for i in range(count)])
    generator = torch.Generator().manual_seed(seed)
    envs = network.vector(count)
    try:
        seeds = seed + np.arange(count)
        first: Any = seeds.astype(np.int32) if "Atari" in type(envs).__name__ else seeds.tolist()
        observation, _ = envs.reset(seed=first)
        sums, lengths, autoreset = np.zeros(count), np.zeros(count, int), np.zeros(count, bool)
        found: list[list[tuple[float, int]]] = [[] for _ in range(count)]
        device = next(network.parameters()).device
        while any(len(own) < n for own, n in zip(found, share, strict=True)):
            with torch.inference_mode():
                actions = network.act(torch.from_numpy(np.array(observation)).to(device), generator).cpu().numpy()
            observation, reward, terminated, truncated, _ = envs.step(actions)
            sums += reward
            lengths += ~autoreset
            autoreset = terminated | truncated
            for i in np.flatnonzero(autoreset):
                if len(found[i]) < share[i]:
                    found[i].append((float(sums[i]), int(lengths[i])))
                sums[i], lengths[i] = 0.0, 0
    finally:
        envs.close()
    return [episode for own in found for episode in own]


class AgentModule(TrainingModule):
    """Runs the environments, counts their steps, validates and saves; a subclass implements `learn`.

    Args:
        network: what plays.
        num_envs: environments that run at once.
        num_steps: steps of each environment in a training step.
        ema_steps: half-life of the averaged weights, in environment steps; 0 keeps the current ones.
        val_episodes: episodes of a validation.
        threads: of matrix products and of ALE's vector environment; 0 for as many as are idle at the start, since two
            threads on busy cores are slower than one.
        processes: run each environment in a process of its own; worth it where a step takes milliseconds.
        reward_model: zoo name, folder or hf:OWNER/NAME of a reward.RewardModel. The agent learns from its rewards
            instead of the environment's; logs and validation use the environment's. Not for ALE.
    """

    monitor = "val/return"

    def __init__(
        self,
        network: AgentNetwork,
        num_envs: int,
        num_steps: int,
        ema_steps: float = 0.0,
        val_episodes: int = 20,
        threads: int = 0,
        processes: bool = False,
        reward_model: str = "",
    ):
        if min(num_envs, num_steps, val_episodes) < 1:
            raise UserError("num_envs, num_steps and val_episodes must be at least 1.")
        super().__init__(network, ema_steps)
        self.automatic_optimization = False
        self.net = network
        self.num_envs, self.num_steps, self.val_episodes = num_envs, num_steps, val_episodes
        self.iteration_steps = num_envs * num_steps
        self.threads = threads or idle_cores()
        self.vector_options: dict[str, Any] = {"threads": self.threads}
        if processes:
            self.vector_options["processes"] = True
        if reward_model:
            if network.env.startswith("ALE/"):
                raise UserError("ALE's vector environment renders nothing for a reward_model: leave it out.")
            self.vector_options["render_mode"] = "rgb_array"
        self.reward_model = reward_model
        self.reward_net: Any = None  # not a part of this module: its weights are its own
        self.rng = torch.Generator()  # all random numbers of a run; it also seeds the environments
        self.updates = 0
        self.recent: deque[tuple[float, int]] = deque(maxlen=RECENT)
        self.envs: Any = None
        self.fresh, self.restored = True, False

    @property
    def network(self) -> Any:
        return self.net

    @property
    def env_steps(self) -> int:
        return int(self.images_seen)

    @property
    def progress(self) -> float:
        """Share of the budget that is used, in [0, 1]."""
        return min(1.0, self.env_steps / self.trainer.datamodule.steps)  # type: ignore[attr-defined]

    def learn(self) -> dict[str, Any]:
        """Make `num_steps` steps of all environments and learn from them. Returns values for the log."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """State that a checkpoint needs in addition to weights and optimizers: tensors, numbers, strings."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""

    def on_fit_start(self) -> None:
        super().on_fit_start()
        if not self.restored:
            self.rng.manual_seed(torch.initial_seed() % 2**63)
        self.before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        self.envs = self.envs or self.net.vector(self.num_envs, **self.vector_options)
        if self.reward_model and self.reward_net is None:
            from pokegen import zoo
            from pokegen.game.video.reward import RewardModel

            reward_net = zoo.load(self.reward_model).model
            if not isinstance(reward_net, RewardModel):
                raise UserError(f"{self.reward_model} is a {type(reward_net).__name__}: expected a RewardModel.")
            self.reward_net = functools.partial(reward_net.to(self.device))  # hidden from nn.Module
            self.film = np.zeros((self.num_envs, reward_net.window, FRAME_SIZE, FRAME_SIZE), np.uint8)
        self.clock = time.monotonic()

    def teardown(self, stage: str) -> None:
        if self.envs is not None:
            self.envs.close()
            self.envs = None
            torch.set_num_threads(self.before)

    def training_step(self, iteration: Any, _: int) -> None:
        if self.fresh:
            self.fresh = False
            self.reset()
        values = self.learn()
        self.count(self.iteration_steps)
        now = time.monotonic()
        values |= {
            "env_steps": float(self.env_steps),
            "updates": float(self.updates),
            "speed": self.iteration_steps / (now - self.clock),
        }
        self.clock = now
        if self.recent:
            values["return"], values["length"] = np.mean(self.recent, axis=0).tolist()
            self.log("return", values["return"], prog_bar=True, logger=False, batch_size=1)
        self.log_dict({f"train/{key}": float(value) for key, value in values.items()}, batch_size=1)

    def seeds(self) -> list[int]:
        """Seeds for a reset of all environments."""
        return torch.randint(2**31 - 1, (self.num_envs,), generator=self.rng).tolist()

    def reset(self) -> None:
        """Reset all environments with new seeds."""
        seeds = self.seeds()
        seed = np.array(seeds, np.int32) if "Atari" in type(self.envs).__name__ else seeds
        observation, info = self.envs.reset(seed=seed)
        self.obs = np.array(observation)
        self.lives = info.get("lives")
        self.autoreset = np.zeros(self.num_envs, bool)  # whose next step is a reset
        self.sums, self.lengths = np.zeros(self.num_envs), np.zeros(self.num_envs, int)
        if self.reward_net:
            self._predicted_rewards(np.ones(self.num_envs, bool))

    @torch.inference_mode()
    def _predicted_rewards(self, autoreset: np.ndarray) -> np.ndarray:
        """The reward model's rewards for the step just made, float32 (N,); 0 where the step was a reset."""
        shown = np.stack([gray(frame) for frame in self.envs.render()])
        self.film = np.concatenate([self.film[:, 1:], shown[:, None]], axis=1)
        self.film[autoreset] = shown[autoreset, None]
        rewards = self.reward_net(torch.from_numpy(self.film).to(self.device)).cpu().numpy()
        return np.where(autoreset, 0, rewards).astype(np.float32)

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """One step of all environments.

        Returns float32 rewards and bool `terminated`, `done` (terminated or truncated), `autoreset` (the step was a
        reset, its action was ignored) and `life_lost`, each (N,). `self.obs` is the observation after the step.
        """
        autoreset = self.autoreset
        observation, reward, terminated, truncated, info = self.envs.step(actions)
        self.obs, self.info = np.array(observation), info
        terminated, done = np.array(terminated), terminated | truncated
        self.sums += reward
        self.lengths += ~autoreset
        for i in np.flatnonzero(done):
            self.recent.append((float(self.sums[i]), int(self.lengths[i])))
            self.sums[i], self.lengths[i] = 0.0, 0
        life_lost = np.zeros(self.num_envs, bool)
        if self.lives is not None:
            life_lost = (info["lives"] < self.lives) & ~autoreset
            self.lives = np.array(info["lives"])
        self.autoreset = done
        learned = self._predicted_rewards(autoreset) if self.reward_net else np.asarray(reward, np.float32)
        return learned, terminated, done, autoreset, life_lost

    def validation_step(self, iteration: Any, _: int) -> None:
        if not self.trainer.sanity_checking:
            self._play("val", VAL_SEED)

    def test_step(self, iteration: Any, _: int) -> None:
        self._play("test", 0)

    def _play(self, stage: str, seed: int) -> None:
        found = np.array(network_returns(self.ema, self.val_episodes, seed), float)
        mean, deviation = found.mean(axis=0), found.std(axis=0)
        self.log(f"{stage}/return", mean[0], prog_bar=True, batch_size=1)
        self.log_dict({f"{stage}/return_deviation": deviation[0], f"{stage}/length": mean[1]}, batch_size=1)

    def on_validation_end(self) -> None:
        self.clock = time.monotonic()  # the speed excludes validation

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["agent"] = {
            "draws": self.rng.get_state(),
            "updates": self.updates,
            "recent": [list(episode) for episode in self.recent],
            "more": self.state(),
        }
        self.fresh = True

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        state = checkpoint["agent"]
        self.rng.set_state(state["draws"])
        self.updates = state["updates"]
        self.recent.extend((episode[0], episode[1]) for episode in state["recent"])
        self.load_state(state["more"])
        self.fresh = self.restored = True
