"""Where the classes of earlier versions are now, so that their checkpoints, runs and configs work as before."""

from typing import Any

_AGENTS = ("demonstrations", "dqn", "evolution", "gail", "maddpg", "ppo")
_VIDEO = ("annotate", "clips", "cloning", "idm", "keys", "recording", "reward")
# The old path of a module, or of a class, and the new one.
MOVED = {
    "pokegen.game.agents": "pokegen.game.agents.base",
    "pokegen.models.training.AdversarialModule": "pokegen.trainers.adversarial.AdversarialModule",
    "pokegen.models.training.AutoencoderModule": "pokegen.trainers.autoencoder.AutoencoderModule",
    "pokegen.models.training.LikelihoodModule": "pokegen.trainers.likelihood.LikelihoodModule",
    "pokegen.game.training": "pokegen.game.video.module",
    **{
        f"pokegen.models.{module}.{kind}": f"pokegen.models.{module}.{prefix}{kind}"
        for module, prefix in (("gan", "GAN"), ("dcgan", "DCGAN"), ("cgan", "CGAN"), ("projected_gan", "ProjectedGAN"))
        for kind in ("Generator", "Discriminator")
    },
    "pokegen.game.agents.demonstrations.Clone": "pokegen.game.agents.demonstrations.BCActorCritic",
    "pokegen.game.agents.maddpg.Team": "pokegen.game.agents.maddpg.MADDPGActors",
    **{f"pokegen.game.{name}": f"pokegen.game.agents.{name}" for name in _AGENTS},
    **{f"pokegen.game.{name}": f"pokegen.game.video.{name}" for name in _VIDEO},
}


def class_path(path: str) -> str:
    """The path of a class today."""
    module, dot, name = path.rpartition(".")
    path = f"{MOVED.get(module, module)}{dot}{name}"
    return MOVED.get(path, path)


def renewed(config: Any) -> Any:
    """A copy of nested settings in which each `class_path` is that of today."""
    if isinstance(config, dict):
        return {
            key: class_path(value) if key == "class_path" and isinstance(value, str) else renewed(value)
            for key, value in config.items()
        }
    return [renewed(item) for item in config] if isinstance(config, list) else config
