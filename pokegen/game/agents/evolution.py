"""Evolution: a population of policies, of which the best are copied with changes. No gradients.

Truncation selection with Gaussian mutation, as in Such et al., Deep Neuroevolution, arXiv 1712.06567, algorithm 1, here
with mutations that become fewer and smaller by generation. All individuals play at once, in environments that start
alike, and one product of matrices for each layer gives their actions. Left out: crossover, estimated gradients.

Whoever survives unchanged plays again, so that its fitness is a mean over all generations of its life: luck fades. The
champion, which validates and is exported, is the best by that mean among those who have played in two generations.

One training step is one generation. Letters: P individuals, G games of each, W weights of a policy, D numbers seen.

Metrics in addition to those of base.py, whose `train/return` is of the whole population's last 100 episodes and whose
`train/updates` counts generations; higher is better:

    train/best, train/mean      fitness in this generation: mean discounted return of an individual's episodes
    train/champion              the champion's mean fitness over its life
    train/age                   generations that the champion has played
    train/mutation_rate         share of the weights of a copy that change next
    train/sigma                 standard deviation of those changes, in units of 1 / √(inputs of the layer)
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pokegen.errors import UserError
from pokegen.game.agents.base import AgentModule, AgentNetwork, annealed
from pokegen.game.agents.ppo import ActorCritic


class Evolution(AgentModule):
    """Evolves the actor of an ActorCritic that sees vectors.

    Args:
        network: the first individual; the others' weights are sampled, with variance 1 / inputs of their layer. The
            champion is copied into it.
        population: P.
        games: G, environments of each individual.
        num_steps: steps in each of them in a generation. An episode that they cut off counts only where none ended.
        parents: how many of the best are copied, in turn, until there are P again.
        elites: how many of the best survive unchanged; the original's best half, which is duplicated, is `parents` of
            them, half of P.
        gamma: discount factor of one step in the fitness; 1 for plain returns.
        rate: share of a copy's weights that change, at the start.
        rate_end: this share at the end of the budget; linear between.
        sigma: standard deviation of these changes at the start, in units of 1 / √(inputs of the layer).
        sigma_end: this standard deviation at the end of the budget; linear between.
        kwargs: see base.AgentModule; averaged weights and a reward_model are left out.
    """

    scale: Tensor  # (W,)
    population: Tensor  # (P, W), best first once a generation has played
    fitness: Tensor  # (P,), sum over the generations of each one's life
    age: Tensor  # (P,), generations

    def __init__(
        self,
        network: AgentNetwork,
        population: int = 20,
        games: int = 1,
        num_steps: int = 1000,
        parents: int = 10,
        elites: int = 10,
        gamma: float = 0.99,
        rate: float = 1.0,
        rate_end: float = 0.1,
        sigma: float = 0.5,
        sigma_end: float = 0.1,
        **kwargs: Any,
    ):
        if not isinstance(network, ActorCritic) or network.body is not None or network.normalise:
            raise UserError("Evolution needs a pokegen.game.agents.ppo.ActorCritic of vectors, with normalise false.")
        if not 1 <= parents <= population or not 0 <= elites <= parents or games < 1:
            raise UserError("Evolution needs games of at least 1 and 0 ≤ elites ≤ parents ≤ population.")
        super().__init__(network, population * games, num_steps, ema_steps=0.0, reward_model="", **kwargs)
        self.games, self.parents, self.elites, self.gamma = games, parents, elites, gamma
        self.rates, self.sigmas = (rate, rate_end), (sigma, sigma_end)
        self.shapes = {name: p.shape for name, p in network.actor.named_parameters()}
        scale = [p.new_full((p.numel(),), self._inputs(name) ** -0.5) for name, p in network.actor.named_parameters()]
        self.register_buffer("scale", torch.cat(scale), persistent=False)
        self.register_buffer("population", torch.zeros(population, len(self.scale)))
        self.register_buffer("fitness", torch.zeros(population, dtype=torch.float64))
        self.register_buffer("age", torch.zeros(population, dtype=torch.long))

    def _inputs(self, name: str) -> int:
        """Of the layer that a weight or bias belongs to."""
        return self.shapes[name.rpartition(".")[0] + ".weight"][1]

    def configure_optimizers(self) -> Any:
        # It has nothing to do but count: Lightning saves no two checkpoints at one global step, and that is the number
        # of an optimizer's steps.
        return torch.optim.SGD(self.net.actor.parameters(), 0.0)

    def seeds(self) -> list[int]:
        """Each individual's nth game starts like every other's."""
        drawn = torch.randint(2**31 - 1, (self.games,), generator=self.rng)
        return drawn.tolist() * len(self.population)

    def learn(self) -> dict[str, Any]:
        if not self.age.any():
            self.begin()
        found = self.play()
        self.fitness += found
        self.age += 1
        self.rank()
        best = self.champion()
        self.crown(best)
        rate, sigma = (annealed(self.env_steps, *ends, self.last_steps) for ends in (self.rates, self.sigmas))
        values: dict[str, Any] = {"best": found.max(), "mean": found.mean(), "mutation_rate": rate, "sigma": sigma}
        values |= {"champion": (self.fitness / self.age)[best], "age": self.age[best]}
        self.breed(rate, sigma)
        self.updates += 1
        self.optimizers().step()  # type: ignore[union-attr]
        self.fresh = True  # the next generation resets its environments
        return values

    @property
    def last_steps(self) -> int:
        """Environment steps before the last generation."""
        return max(1, self.trainer.datamodule.steps - self.iteration_steps)  # type: ignore[attr-defined]

    def begin(self) -> None:
        """The first population."""
        drawn = torch.randn(self.population.shape, generator=self.rng)
        self.population.copy_(drawn.to(self.device) * self.scale)
        self.population[0] = torch.cat([p.detach().flatten() for p in self.net.actor.parameters()])

    def policies(self, obs: Tensor) -> Tensor:
        """What each individual makes of its own observations: (P, G, …) → distributions (P, G, numbers)."""
        parts = self.population.split([math.prod(shape) for shape in self.shapes.values()], dim=1)
        weights = {k: w.unflatten(1, shape) for (k, shape), w in zip(self.shapes.items(), parts, strict=True)}
        return torch.func.vmap(lambda own, x: torch.func.functional_call(self.net.actor, own, (x,)))(weights, obs)

    @torch.no_grad()
    def play(self) -> Tensor:
        """A generation. Returns each one's fitness, (P,)."""
        count = self.num_envs
        factor, sums = np.ones(count), np.zeros(count)
        ended, episodes = np.zeros(count), np.zeros(count)
        for _ in range(self.num_steps):
            obs = torch.from_numpy(self.obs).to(self.device).float().flatten(1)
            dist_params = self.policies(obs.unflatten(0, (-1, self.games))).flatten(0, 1)
            actions = self.net.playable(self.net.draw(dist_params, None))
            reward, _, done, autoreset, _ = self.step(actions.cpu().numpy())
            sums += factor * reward
            factor = np.where(autoreset, factor, factor * self.gamma)
            ended += np.where(done, sums, 0)
            episodes += done
            sums, factor = np.where(done, 0, sums), np.where(done, 1, factor)
        ended, episodes, sums = (x.reshape(-1, self.games).sum(axis=1) for x in (ended, episodes, sums))
        found = np.where(episodes > 0, ended / np.maximum(episodes, 1), sums / self.games)
        return torch.from_numpy(found).to(self.device)

    def rank(self) -> None:
        """Sort by mean fitness, best first."""
        order = (self.fitness / self.age).argsort(descending=True, stable=True)
        for held in (self.population, self.fitness, self.age):
            held.copy_(held[order])

    def champion(self) -> int:
        """The best of a sorted population of those who have played twice; of all, where nobody has."""
        tried = (self.age > 1).nonzero()[:, 0]
        return int(tried[0]) if len(tried) else 0

    @torch.no_grad()
    def crown(self, best: int) -> None:
        """Copy an individual into the network."""
        nn.utils.vector_to_parameters(self.population[best], self.net.actor.parameters())

    def breed(self, rate: float, sigma: float) -> None:
        """The next generation from a sorted one: its elites, and changed copies of its parents, in turn."""
        rows = torch.arange(len(self.population) - self.elites) % self.parents
        children = self.population[rows.to(self.device)]
        changed = torch.rand(children.shape, generator=self.rng) < rate
        noise = torch.randn(children.shape, generator=self.rng) * sigma * changed
        self.population[self.elites :] = children + noise.to(self.device) * self.scale
        self.fitness[self.elites :] = 0
        self.age[self.elites :] = 0
