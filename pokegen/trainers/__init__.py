"""The LightningModules that train the zoo: for a likelihood, for an autoencoder, for adversarial pairs."""
