"""VTEAM: memristor with threshold voltages and power-law rates (Kvatinsky et al. 2015)."""

from devicemodels.vteam.params import FERROELECTRIC, MAGIC, PT_HF_TI, PUBLISHED, VteamParams

__all__ = ["FERROELECTRIC", "MAGIC", "PT_HF_TI", "PUBLISHED", "VteamParams"]
