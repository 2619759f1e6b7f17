"""Several agents as one array: what each sees, padded to the widest, and one action each.

`Packed` gives a joint.Joint this form. `Particles` steps many simple_spread_v3 or simple_adversary_v3 at once, with the
physics of mpe2 (point masses in a plane, damped, which push each other away where they touch; Lowe et al., NeurIPS
2017, section 5.1) written for arrays: the same numbers to the last bit, some hundred times faster. Left out of it, and
so played by mpe2 itself: partial observation, curricula, an end at success.

Letters: N environments, A agents, D numbers that an agent sees at most, L landmarks.

info["rewards"] holds each agent's reward, float64 (N, A); the reward is their mean.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.vector.utils import batch_space

from pokegen.errors import UserError
from pokegen.game.envs import make

STEP, DAMPING, PUSH = 0.1, 0.25, 5.0  # of time; of the speed lost in it; force of a full action
CONTACT, MARGIN = 100.0, 1e-3  # force and softness of a touch
SIZE = 0.15  # an agent's radius
DIRECTIONS = np.array([[0, 0], [-1, 0], [1, 0], [0, -1], [0, 1]])  # none, left, right, down, up
MOVES = len(DIRECTIONS)
_KNOWN: dict[str, dict[str, Any]] = {
    "mpe/simple_spread_v3": {"N": 3, "local_ratio": 0.5, "max_cycles": 25, "continuous_actions": False},
    "mpe/simple_adversary_v3": {"N": 2, "max_cycles": 25, "continuous_actions": False},
}


class Trail:
    """What an agent remembers: the change of all it sees since the step before, and its move there, one-hot; at an
    episode's start zeros. So it knows how fast all move where a game does not show it.

    Args:
        shape: (…, A), whose observations are (…, A, D).
        size: D.
        moves: how many there are.
    """

    def __init__(self, shape: tuple[int, ...], size: int, moves: int):
        self.before, self.move = np.zeros((*shape, size), np.float32), np.zeros((*shape, moves), np.float32)
        self.moves = moves

    def __call__(self, obs: np.ndarray, action: np.ndarray | None, fresh: Any = False) -> np.ndarray:
        """Observations (…, A, D) and the moves (…, A) that led there → (…, A, 2 D + moves).

        Args:
            fresh: (…), where an episode starts.
        """
        first = np.asarray(fresh)[..., None, None]
        self.move = np.zeros_like(self.move) if action is None else np.eye(self.moves, dtype=np.float32)[action]
        self.move = np.where(first, np.float32(0), self.move)
        change = np.where(first, np.float32(0), obs - self.before)
        self.before = obs
        return np.concatenate([obs, change, self.move], axis=-1)


class Packed(gymnasium.Wrapper):
    """A joint environment whose observations are float32 (A, D), padded with zeros, and whose actions are
    int64 (A,), or float32 (A, D') in [0, 1].

    Args:
        env: the joint environment.
        trail: agents see what they remember too, see Trail. Discrete actions alone.
    """

    def __init__(self, env: gymnasium.Env, trail: bool = False):
        super().__init__(env)
        inner: Any = env.unwrapped
        if not hasattr(inner, "agents"):
            raise UserError(f"{env.spec.id if env.spec else inner} has one agent, not several: choose one of mpe/….")
        self.agents = inner.agents
        obs = [inner.observation_space[agent].shape[0] for agent in self.agents]
        acts = [inner.action_space[agent] for agent in self.agents]
        self.shape = len(obs), max(obs)
        self.observation_space = spaces.Box(-np.inf, np.inf, self.shape, np.float32)
        if all(isinstance(space, spaces.Discrete) for space in acts):
            self.action_space: Any = spaces.MultiDiscrete([int(space.n) for space in acts])
        else:
            self.action_space = spaces.Box(0, 1, (len(acts), max(space.shape[0] for space in acts)), np.float32)
        self._acts = acts
        self.trail: Trail | None = None
        if trail:
            self.trail, self.observation_space = _trail((), self.shape, self.action_space)

    def _pack(self, obs: dict[str, np.ndarray]) -> np.ndarray:
        packed = np.zeros(self.shape, np.float32)
        for row, agent in zip(packed, self.agents, strict=True):
            row[: len(obs[agent])] = obs[agent]
        return packed

    def _rewards(self, info: dict[str, Any]) -> dict[str, Any]:
        return {"rewards": np.array([info["rewards"][agent] for agent in self.agents], np.float64)}

    def reset(self, **options: Any) -> tuple[np.ndarray, dict[str, Any]]:
        shown, info = self.env.reset(**options)
        obs = self._pack(shown)
        return self.trail(obs, None, True) if self.trail else obs, self._rewards(info)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        parts = {
            agent: int(own) if isinstance(space, spaces.Discrete) else own[: space.shape[0]]
            for agent, own, space in zip(self.agents, action, self._acts, strict=True)
        }
        shown, reward, terminated, truncated, info = self.env.step(parts)
        obs = self._pack(shown)
        obs = self.trail(obs, action) if self.trail else obs
        return obs, float(reward), terminated, truncated, self._rewards(info)


def _trail(count: tuple[int, ...], shape: tuple[int, int], moves: Any) -> tuple[Trail, spaces.Box]:
    """What `count` environments' agents remember, and the space of what they then see."""
    if not isinstance(moves, spaces.MultiDiscrete):
        raise UserError("trail remembers moves, not forces: leave out trail or continuous_actions.")
    agents, size = shape
    most = int(moves.nvec.max())
    return Trail((*count, agents), size, most), spaces.Box(-np.inf, np.inf, (agents, 2 * size + most), np.float32)


class Particles(VectorEnv):
    """Many of one scenario, equal to mpe2's from the same seeds.

    Args:
        id: mpe/simple_spread_v3 or mpe/simple_adversary_v3.
        count: N.
        trail: see Packed.
        options: mpe2's N, local_ratio (of simple_spread), max_cycles, continuous_actions.

    The state is `position` (N, A, 2), `velocity` (N, A, 2), `landmarks` (N, L, 2), `goal` (N,), an index of landmarks
    which simple_adversary alone has, and `steps` (N,). At the step after an episode's end an environment is reset.
    """

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012  # as Gymnasium has it

    def __init__(self, id: str, count: int, trail: bool = False, **options: Any):
        options = _KNOWN[id] | options
        self.adversary = "adversary" in id
        self.landmark_count = options["N"]
        self.agent_count = options["N"] + self.adversary
        self.local_ratio, self.max_cycles = options.get("local_ratio", 0.0), options["max_cycles"]
        self.continuous = options["continuous_actions"]
        self.num_envs = count
        width = 2 * (self.landmark_count + self.agent_count) if self.adversary else 6 * self.landmark_count
        self.shape = self.agent_count, width
        self.single_observation_space = spaces.Box(-np.inf, np.inf, self.shape, np.float32)
        self.single_action_space: Any = (
            spaces.Box(0, 1, (self.agent_count, MOVES), np.float32)
            if self.continuous
            else spaces.MultiDiscrete([MOVES] * self.agent_count)
        )
        self.trail: Trail | None = None
        if trail:
            self.trail, self.single_observation_space = _trail((count,), self.shape, self.single_action_space)
        self.observation_space = batch_space(self.single_observation_space, count)
        self.action_space = batch_space(self.single_action_space, count)
        self.position, self.velocity = np.zeros((2, count, self.agent_count, 2))
        self.landmarks, self.goal = np.zeros((count, self.landmark_count, 2)), np.zeros(count, int)
        self.steps, self.autoreset = np.zeros(count, int), np.zeros(count, bool)
        self.rngs = [seeding.np_random(None)[0] for _ in range(count)]
        a = np.arange(self.agent_count)
        self._others = np.stack([np.delete(a, i) for i in a])  # (A, A − 1)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        seeds = [seed + i for i in range(self.num_envs)] if isinstance(seed, int) else seed
        if seeds is not None:
            self.rngs = [seeding.np_random(s)[0] for s in seeds]
        self._begin(range(self.num_envs))
        obs = self._seen()
        obs = self.trail(obs, None, np.ones(self.num_envs, bool)) if self.trail else obs
        return obs, {"rewards": np.zeros((self.num_envs, self.agent_count))}

    def _begin(self, which: Any) -> None:
        for i in which:
            if self.adversary:
                self.goal[i] = self.rngs[i].integers(self.landmark_count)
            places = self.rngs[i].uniform(-1, 1, (self.agent_count + self.landmark_count, 2))
            self.position[i], self.landmarks[i] = places[: self.agent_count], places[self.agent_count :]
            self.velocity[i], self.steps[i], self.autoreset[i] = 0, 0, False

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        again = np.flatnonzero(self.autoreset)
        if len(again) < self.num_envs:
            self._move(actions)
            self.steps += 1
        rewards = self._rewards()
        if len(again):
            self._begin(again)
            rewards[again] = 0
        truncated = self.steps >= self.max_cycles
        obs = self._seen()
        if self.trail:
            fresh = np.zeros(self.num_envs, bool)
            fresh[again] = True
            obs = self.trail(obs, actions, fresh)
        self.autoreset = truncated.copy()
        return obs, rewards.mean(axis=1), np.zeros(self.num_envs, bool), truncated, {"rewards": rewards}

    def _move(self, actions: np.ndarray) -> None:
        """The order of the sums is mpe2's, for equality to the last bit."""
        if self.continuous:
            force = (actions[..., [2, 4]] - actions[..., [1, 3]]).astype(np.float64) * PUSH
        else:
            force = DIRECTIONS[actions] * PUSH
        if not self.adversary:  # whose agents pass through each other
            for a in range(self.agent_count):
                for b in range(a + 1, self.agent_count):
                    apart = self.position[:, a] - self.position[:, b]
                    distance = _length(apart)[:, None]
                    depth = np.logaddexp(0, -(distance - 2 * SIZE) / MARGIN) * MARGIN
                    touch = CONTACT * apart / distance * depth
                    force[:, a] += touch
                    force[:, b] -= touch
        self.position += self.velocity * STEP
        self.velocity = self.velocity * (1 - DAMPING) + force * STEP

    def _rewards(self) -> np.ndarray:
        if self.adversary:
            goal = self.landmarks[np.arange(self.num_envs), self.goal]
            far = _length(self.position - goal[:, None])  # (N, A)
            good = -far[:, 1:].min(axis=1) + far[:, 0]
            return np.concatenate([-far[:, :1], np.repeat(good[:, None], self.landmark_count, axis=1)], axis=1)
        away = _length(self.position[:, :, None] - self.landmarks[:, None]).min(axis=1)  # (N, L)
        shared = np.zeros(self.num_envs)
        for landmark in away.T:
            shared -= landmark
        near = _length(self.position[:, :, None] - self.position[:, None]) < 2 * SIZE  # (N, A, A), with itself
        own = -(near.sum(axis=2) - 1.0)
        return shared[:, None] * (1 - self.local_ratio) + own * self.local_ratio

    def _seen(self) -> np.ndarray:
        obs = np.zeros((self.num_envs, *self.shape), np.float32)
        place = self.position[:, :, None]
        landmarks = (self.landmarks[:, None] - place).reshape(self.num_envs, self.agent_count, -1)
        others = (self.position[:, self._others] - place).reshape(self.num_envs, self.agent_count, -1)
        if self.adversary:
            goal = self.landmarks[np.arange(self.num_envs), self.goal]
            good = np.concatenate([goal[:, None] - self.position, landmarks, others], axis=2)
            obs[:, 1:] = good[:, 1:]
            obs[:, 0, : good.shape[2] - 2] = good[:, 0, 2:]
        else:
            known = np.concatenate([self.velocity, self.position, landmarks, others], axis=2)
            obs[:, :, : known.shape[2]] = known
        return obs


def _length(x: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(x[..., 0]) + np.square(x[..., 1]))


def single(id: str, render_mode: str | None = None, trail: bool = False, **options: Any) -> Packed:
    """One environment of several agents; see envs.make and Packed."""
    return Packed(make(id, render_mode=render_mode, **options), trail)


def make_vector(id: str, count: int, **options: Any) -> VectorEnv:
    """`count` of it: by Particles where that knows id and options, else by mpe2."""
    if id in _KNOWN and options.keys() <= {*_KNOWN[id], "trail"}:
        return Particles(id, count, **options)
    makers = [lambda: single(id, **options)] * count
    return SyncVectorEnv(makers, autoreset_mode=AutoresetMode.NEXT_STEP)
