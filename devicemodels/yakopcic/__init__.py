"""Yakopcic's generalized memristor: sinh current, thresholds, one-sided windows (2011, 2013)."""

from devicemodels.yakopcic.params import JO, OBLEA, OBLEA_PULSED, PUBLISHED, YakopcicParams

__all__ = ["JO", "OBLEA", "OBLEA_PULSED", "PUBLISHED", "YakopcicParams"]
