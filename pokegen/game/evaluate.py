"""How well a player does: the returns of whole episodes, seed by seed."""

from collections.abc import Iterator

import gymnasium

from pokegen.game.players import Player


def returns(env: gymnasium.Env, player: Player, episodes: int, seed: int = 0) -> Iterator[tuple[float, int]]:
    """The return, undiscounted, and the steps of each of `episodes` episodes; the nth is reset with seed + n."""
    for episode in range(seed, seed + episodes):
        observation, _ = env.reset(seed=episode)
        player.begin(episode)
        total, steps, over = 0.0, 0, False
        while not over:
            observation, reward, terminated, truncated, _ = env.step(player(env, observation))
            total, steps, over = total + float(reward), steps + 1, terminated or truncated
        yield total, steps
