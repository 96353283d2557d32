"""n-channel MOS transistor of SPICE level 1 (Shichman, Hodges 1968)."""

from devicemodels.nmos.params import MOSIS_180NM, PTM_45NM_READ, PTM_45NM_SET, PUBLISHED, NmosParams

__all__ = ["MOSIS_180NM", "PTM_45NM_READ", "PTM_45NM_SET", "PUBLISHED", "NmosParams"]
