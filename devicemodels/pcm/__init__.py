"""Phase-change memory: an ohmic cell that drifts, and its statistics (Nandakumar et al. 2019; Joshi et al. 2020)."""

from devicemodels.pcm.params import JOSHI_1_HOUR, JOSHI_1_YEAR, JOSHI_WRITTEN, PUBLISHED, PcmParams

__all__ = ["JOSHI_1_HOUR", "JOSHI_1_YEAR", "JOSHI_WRITTEN", "PUBLISHED", "PcmParams"]
