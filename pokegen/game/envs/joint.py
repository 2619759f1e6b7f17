"""Several agents as one Gymnasium environment: actions and observations are Dicts by agent.

`Joint` takes any PettingZoo parallel environment; `make_joint` one of mpe2: multi-agent particle environments (Lowe
et al., Multi-Agent Actor-Critic for Mixed Cooperative-Competitive Environments, NeurIPS 2017). Left out: environments
whose agents move in turns, which have no joint step.
"""

import copy
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from pokegen.optional import require


class Joint(gymnasium.Env):
    """A PettingZoo parallel environment, stepped by all its agents at once.

    Action and observation spaces are Dicts from each agent of `agents` to its own space. An agent whose part has ended
    is shown its last observation, gets reward 0, and its action is ignored. The reward is the mean over all agents;
    info["rewards"] holds each agent's own, {agent: float}. The episode lasts until the last agent's end: it is
    truncated if any agent was cut off by a time limit, and terminated if all came to an end of the game's.

    Args:
        parallel: the environment; its render_mode is this one's.
    """

    def __init__(self, parallel: Any):
        self.parallel = parallel
        self.agents = tuple(parallel.possible_agents)
        self.metadata = {"render_modes": ["human", "rgb_array"], "render_fps": 10} | parallel.metadata
        self.render_mode = parallel.render_mode
        self.observation_space = spaces.Dict({agent: parallel.observation_space(agent) for agent in self.agents})
        self.action_space = spaces.Dict({agent: parallel.action_space(agent) for agent in self.agents})
        self._observation: dict[str, np.ndarray] = {}
        self._cut = False  # whether any agent was

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        super().reset(seed=seed)
        seen, _ = self.parallel.reset(seed=seed, options=options)
        self._observation, self._cut = dict(seen), False
        return dict(self._observation), {"rewards": dict.fromkeys(self.agents, 0.0)}

    def step(self, action: dict[str, Any]) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        live = {agent: action[agent] for agent in self.parallel.agents}
        seen, gained, _, cut, _ = self.parallel.step(live)
        self._observation |= seen
        self._cut |= any(cut.values())
        rewards = {agent: float(gained.get(agent, 0)) for agent in self.agents}
        mean = sum(rewards.values()) / len(rewards)
        done = not self.parallel.agents
        return dict(self._observation), mean, done and not self._cut, done and self._cut, {"rewards": rewards}

    def render(self) -> np.ndarray | None:
        return self.parallel.render()

    def close(self) -> None:
        self.parallel.close()

    def save_state(self) -> Any:
        """All that the environment holds, its random numbers too, except what it draws with."""
        held = {k: v for k, v in vars(self.parallel.unwrapped).items() if not type(v).__module__.startswith("pygame")}
        return copy.deepcopy((held, self.parallel.agents, self._observation, self._cut))

    def restore_state(self, state: Any) -> None:
        held, self.parallel.agents, self._observation, self._cut = copy.deepcopy(state)
        vars(self.parallel.unwrapped).update(held)


def make_joint(name: str, render_mode: str | None = None, **options: Any) -> Joint:
    """One of mpe2's environments, such as simple_spread_v3 or simple_adversary_v3.

    Args:
        name: the package's module.
        render_mode: "rgb_array" for uint8 RGB (700, 700, 3), "human" for a window, or None.
        options: see its page: N, local_ratio, max_cycles, continuous_actions, dynamic_rescaling, …
    """
    return Joint(require("mpe2").__dict__[name].parallel_env(render_mode=render_mode, **options))


def register() -> None:
    """Tell Gymnasium of mpe2's environments, as mpe/NAME."""
    for id in require("mpe2.all_modules", "mpe2").mpe_environments:
        if id not in gymnasium.registry:
            name = id.removeprefix("mpe/")
            # unchecked: Gymnasium warns of each observation space without bounds
            gymnasium.register(id, f"{__name__}:make_joint", disable_env_checker=True, kwargs={"name": name})
