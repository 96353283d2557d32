"""Stanford-PKU RRAM with a one-dimensional gap (Guan 2012; Jiang et al. 2014, 2016)."""

from devicemodels.stanford.params import (
    AL_HFOX_0,
    AL_HFOX_18,
    AL_HFOX_45,
    JIANG_A,
    JIANG_B,
    JIANG_C,
    PUBLISHED,
    V1_FILE,
    StanfordParams,
)

__all__ = [
    "AL_HFOX_0",
    "AL_HFOX_18",
    "AL_HFOX_45",
    "JIANG_A",
    "JIANG_B",
    "JIANG_C",
    "PUBLISHED",
    "V1_FILE",
    "StanfordParams",
]
