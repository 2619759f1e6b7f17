"""The zoo. A file NAME.py holds a model whole, in plain torch: nets, loss, sampler; `training` the LightningModules.

The split is the price of a quick start: Lightning takes longer to import than `pokegen card` takes to draw a card.
"""
