"""HP memristor: linear ion drift with a choice of windows (Strukov et al. 2008, Biolek et al. 2009)."""

from devicemodels.hp.params import BIOLEK_2009, PUBLISHED, HpParams

__all__ = ["BIOLEK_2009", "PUBLISHED", "HpParams"]
