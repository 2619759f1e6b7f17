"""The LightningModules that train the zoo: by likelihood, as autoencoders, and as adversarial pairs."""
