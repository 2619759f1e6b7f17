"""New paths of classes and new names of arguments, so that checkpoints, runs and configs of earlier versions work."""

from typing import Any

_AGENTS = ("demonstrations", "dqn", "evolution", "gail", "maddpg", "ppo")
_VIDEO = ("annotate", "clips", "cloning", "idm", "keys", "recording", "reward")
# Old path of a module or class → new path.
MOVED = {
    "pokegen.game.agents": "pokegen.game.agents.base",
    "pokegen.models.training.AdversarialModule": "pokegen.trainers.adversarial.AdversarialModule",
    "pokegen.models.training.AutoencoderModule": "pokegen.trainers.autoencoder.AutoencoderModule",
    "pokegen.models.training.LikelihoodModule": "pokegen.trainers.likelihood.LikelihoodModule",
    "pokegen.game.training": "pokegen.game.video.module",
    "pokegen.data.reader": "pokegen.data.reader_data",
    **{
        f"pokegen.models.{module}.{kind}": f"pokegen.models.{module}.{prefix}{kind}"
        for module, prefix in (("gan", "GAN"), ("dcgan", "DCGAN"), ("cgan", "CGAN"), ("projected_gan", "ProjectedGAN"))
        for kind in ("Generator", "Discriminator")
    },
    "pokegen.game.agents.base.Steps": "pokegen.game.agents.base.EnvStepBudget",
    "pokegen.game.agents.demonstrations.Clone": "pokegen.game.agents.demonstrations.BCActorCritic",
    "pokegen.game.agents.maddpg.Team": "pokegen.game.agents.maddpg.MADDPGActors",
    **{f"pokegen.game.{name}": f"pokegen.game.agents.{name}" for name in _AGENTS},
    **{f"pokegen.game.{name}": f"pokegen.game.video.{name}" for name in _VIDEO},
}

_AGENT = {"rollout": "num_steps", "discount": "gamma"}
_GRADIENT = _AGENT | {"lr": "learning_rate", "gradient_clip": "max_grad_norm"}
_OFF_POLICY = _GRADIENT | {
    "capacity": "buffer_size",
    "epsilon_end": "end_e",
    "updates": "gradient_steps",
    "warmup_steps": "learning_starts",
}
_PPO = _GRADIENT | {
    "clip": "clip_coef",
    "clip_values": "clip_range_vf",
    "entropy": "ent_coef",
    "epochs": "update_epochs",
    "life_loss": "terminal_on_life_loss",
    "normalise_advantages": "norm_adv",
    "trace": "gae_lambda",
    "value_weight": "vf_coef",
}
_CHOSEN = {"tidy": "despeckle", "weights": "critic_checkpoint"}
# Current path of a class → old name of an argument → new name.
KEYS: dict[str, dict[str, str]] = {
    "pokegen.game.agents.dqn.DQN": _OFF_POLICY
    | {
        "epsilon_start": "start_e",
        "life_loss": "terminal_on_life_loss",
        "target_steps": "target_network_frequency",
    },
    "pokegen.game.agents.evolution.Evolution": _AGENT,
    "pokegen.game.agents.gail.GAIL": _PPO,
    "pokegen.game.agents.maddpg.MADDPG": _OFF_POLICY
    | {
        "delay": "policy_frequency",
        "epsilon": "start_e",
        "noise": "exploration_noise",
        "twins": "n_critics",
    },
    "pokegen.game.agents.ppo.PPO": _PPO,
    "pokegen.models.autoregressive.Autoregressive": {"weights": "tokenizer_checkpoint"},
    "pokegen.models.classifier.Classifier": {"spoiled": "corrupted"},
    "pokegen.models.pixel_gan.PixelGANGenerator": _CHOSEN,
    "pokegen.models.projected_gan.ProjectedGANGenerator": _CHOSEN,
}


def class_path(path: str) -> str:
    """The current path of a class."""
    module, dot, name = path.rpartition(".")
    path = f"{MOVED.get(module, module)}{dot}{name}"
    return MOVED.get(path, path)


def renewed(config: Any, changes: dict[str, str] | None = None) -> Any:
    """A copy of nested settings with the current form of each `class_path` and of each key of its `init_args`. A key is
    not renamed if the settings also have the new name.

    Args:
        config: dictionaries, lists and plain values.
        changes: receives each old path or key with the new one.
    """
    if isinstance(config, list):
        return [renewed(item, changes) for item in config]
    if not isinstance(config, dict):
        return config
    found = {key: renewed(value, changes) for key, value in config.items()}
    path, args = found.get("class_path"), found.get("init_args")
    if not isinstance(path, str):
        return found
    found["class_path"] = new = class_path(path)
    names = {path: new} if path != new else {}
    if isinstance(args, dict):
        # `new` may be the class name alone.
        known = next((keys for path, keys in KEYS.items() if f".{path}".endswith(f".{new}")), {})
        keys = {old: key for old, key in known.items() if old in args and key not in args}
        found["init_args"] = {keys.get(key, key): value for key, value in args.items()}
        names |= keys
    if changes is not None:
        changes |= names
    return found
