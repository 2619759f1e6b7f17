"""A tiny environment that counts, for the tests of what plays, records and shows environments."""

from typing import ClassVar

import gymnasium
import numpy as np


class Counting(gymnasium.Env):
    """Observes and shows how many steps were made; pays `pay` times the action.

    Args:
        names: of the actions.
        length: steps of an episode; 0 for the number of its seed.
        limit: steps after which an episode is cut off; 0 for never.
        pay: of action 1.
        shade: step → the gray of its frame.
    """

    metadata: ClassVar = {"render_modes": ["rgb_array"]}
    observation_space = gymnasium.spaces.Discrete(100)
    render_mode = "rgb_array"

    def __init__(self, names=("none", "a", "b"), length=7, limit=0, pay=1.0, shade=lambda t: 10 * t):
        self.action_names, self.action_space = names, gymnasium.spaces.Discrete(len(names))
        self.length, self.limit, self.pay, self.shade = length, limit, pay, shade
        self.seeds = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.seeds.append(seed)
        self.t = 0
        return 0, {}

    def step(self, action):
        self.t += 1
        return self.t, self.pay * action, self.t == (self.length or self.seeds[-1]), self.t == self.limit, {}

    def render(self):
        return np.full((30, 40, 3), self.shade(self.t), np.uint8)
