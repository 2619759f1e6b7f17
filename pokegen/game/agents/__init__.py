"""Agents that learn by playing: DQN, PPO, GAIL, MADDPG, evolution, cloning of demonstrations."""
