"""What trainers, export and model cards may ask of a network, with the answer of most."""

from typing import Any

from torch import Tensor, nn


class Network(nn.Module):
    """A network of the zoo. Trained by LikelihoodModule, it needs `loss`; what creates has `sample(n, …)` as well."""

    unit = "examples"  # what its training budget counts
    pretrained = ""  # zoo name or folder of the checkpoint that `pokegen fit` passes to `load_pretrained`
    hub_task: str | None = None  # the Hugging Face hub's word for what it does

    def prepare(self, data: Any) -> None:
        """Read from the DataModule what is not learned by steps; called once, before training."""

    def load_pretrained(self, source: nn.Module) -> None:
        """Copy the weights of the network in the checkpoint `pretrained`; called once, before training."""
        raise NotImplementedError(f"{type(self).__name__} loads no other network.")

    def loss(self, batch: dict[str, Any]) -> Any:
        """The loss of a batch under the key `loss`, with other values to log: dict of scalar tensors."""
        raise NotImplementedError(f"{type(self).__name__} has no loss of its own.")

    def count(self, images: Tensor) -> None:
        """The number of images that training has seen, after each step."""

    def calibrate(self) -> None:
        """Called once before an export, in evaluation mode."""

    def exported(self) -> tuple[str, dict[str, Any]] | None:
        """Class path and arguments of the network that samples, where it is not the one that was trained."""
        return None


class ImageDiscriminator(nn.Module):
    """(images, conditions, condition scale) → (logits, features)."""

    conditions: tuple[str, ...] = ()

    def auxiliary_loss(self, real: Tensor, features: Tensor) -> Tensor | None:
        """The loss of a second task on real images, if it has one."""
        return None
