"""The interface that trainers, export and model cards use, with defaults that suit most networks."""

from typing import Any

from torch import Tensor, nn


class Network(nn.Module):
    """A network of the zoo. LikelihoodModule needs `loss`; generative models also have `sample(n, …)`."""

    unit = "examples"  # unit of the training budget
    pretrained = ""  # zoo name or folder of the checkpoint that `pokegen fit` passes to `load_pretrained`
    hub_task: str | None = None  # task tag on the Hugging Face hub

    def prepare(self, data: Any) -> None:
        """Fit whatever is computed from the DataModule rather than learned, such as priors. Called once, before
        training."""

    def load_pretrained(self, source: nn.Module) -> None:
        """Copy the weights of the network in the checkpoint `pretrained`. Called once, before training."""
        raise NotImplementedError(f"{type(self).__name__} loads no other network.")

    def loss(self, batch: dict[str, Any]) -> Any:
        """Scalar tensors: the loss of a batch under the key `loss`, and other values to log."""
        raise NotImplementedError(f"{type(self).__name__} has no loss of its own.")

    def count(self, images: Tensor) -> None:
        """Receives the number of images seen, after each training step."""

    def calibrate(self) -> None:
        """Called once before an export, in evaluation mode."""

    def exported(self) -> tuple[str, dict[str, Any]] | None:
        """Class path and arguments of the network to export, if it is not the one that was trained."""
        return None


class ImageDiscriminator(nn.Module):
    """(images, conditions, condition scale) → (logits, features)."""

    conditions: tuple[str, ...] = ()

    def auxiliary_loss(self, real: Tensor, features: Tensor) -> Tensor | None:
        """The loss of a second task on real images, if it has one."""
        return None
