"""`pokegen.zoo` under its earlier name."""

from pokegen.zoo import *  # noqa: F403
