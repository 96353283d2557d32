"""Numbers of the access transistor: the static equations of SPICE level 1 (Shichman, Hodges, IEEE JSSC 3, 285, 1968).

    i    = kp w/l (1 + lam v_ds) u (v_gst - u/2)        u = min(v_ds, v_gst),  v_gst = max(v_gs - v_th, 0),  v_ds >= 0
    v_th = vto + gamma (sqrt(phi - v_bs) - sqrt(phi))   v_bs <= 0;  for v_bs > 0 the tangent of the root, not below 0

Source and drain are exchanged where v_ds < 0, as in SPICE. Not modelled: subthreshold current (0 below v_th), velocity
saturation, charge, junctions (keep them reverse biased), temperature, noise. No level-1 fit holds over all voltages:
take a READ set (from the on-resistance) for reads and a SET set (from the saturation current) for compliance.
Beware of MOSIS reports: their K' is kp/2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from devicemodels.units import (
    NONNEGATIVE,
    POSITIVE,
    AmperePerSquareVolt,
    Metre,
    PerVolt,
    RootVolt,
    Volt,
    validate,
)


@dataclass(frozen=True, kw_only=True)
class NmosParams:
    """One n-channel transistor; the defaults are the set MOSIS_180NM."""

    w: Annotated[Metre, POSITIVE] = 1e-6
    """Width of the channel."""
    l: Annotated[Metre, POSITIVE] = 0.18e-6  # noqa: E741 - the letter of SPICE
    """Length of the channel."""
    vto: Volt = 0.5
    """Threshold at v_bs = 0."""
    kp: Annotated[AmperePerSquareVolt, POSITIVE] = 122e-6
    """Transconductance of a square."""
    gamma: Annotated[RootVolt, NONNEGATIVE] = 0.53
    """Body effect."""
    phi: Annotated[Volt, POSITIVE] = 0.8
    """Surface potential."""
    lam: Annotated[PerVolt, NONNEGATIVE] = 0.0
    """Channel-length modulation, lambda of SPICE."""

    def __post_init__(self) -> None:
        validate(self)


MOSIS_180NM = NmosParams()
"""Minimum length of the 180 nm process SCN018 in MOSIS wafer tests (runs T92Y to T6CA): v_th 0.50-0.52 V, gamma
0.52-0.53, Idss 549-573 uA/um at 1.8 V, which decides kp; w and phi are ours."""
MOSIS_180NM_LONG = NmosParams(w=50e-6, l=50e-6, vto=0.43, kp=340e-6)
"""The same process at 50/50 um: v_th 0.42-0.43 V, kp = 2 K' (K' 166-172 uA/V2). At 0.18 um it gives three times the
measured current: only for long channels."""
PTM_130NM_READ = NmosParams(l=130e-9, vto=0.3782, kp=4.4e-4, gamma=0.0)
"""PTM 130 nm card (2006, a prediction) in BSIM4, VDD 1.3 V, reduced to level 1 here from the on-resistance at 50 mV; no
body effect was fitted, so gamma = 0."""
PTM_130NM_SET = NmosParams(l=130e-9, vto=0.3782, kp=3.0e-4, gamma=0.0)
"""As PTM_130NM_READ, from the saturation current."""
PTM_65NM_READ = NmosParams(l=65e-9, vto=0.423, kp=3.9e-4, gamma=0.0)
"""As PTM_130NM_READ, 65 nm card, VDD 1.1 V."""
PTM_65NM_SET = NmosParams(l=65e-9, vto=0.423, kp=3.3e-4, gamma=0.0)
"""As PTM_65NM_READ, from the saturation current."""
PTM_45NM_READ = NmosParams(l=45e-9, vto=0.466, kp=3.6e-4, gamma=0.0)
"""As PTM_130NM_READ, 45 nm card, VDD 1.0 V: the nearest to a 40 nm process; foundry data were not seen."""
PTM_45NM_SET = NmosParams(l=45e-9, vto=0.466, kp=3.8e-4, gamma=0.0)
"""As PTM_45NM_READ, from the saturation current."""
STANFORD_PKU_2 = NmosParams(w=10e-6, l=1e-6, vto=0.7, kp=6e-5, gamma=0.0)
"""The access transistor in the deck of the Stanford-PKU model 2.0 (read): level 1, 10/1 um, else defaults."""

PUBLISHED: Mapping[str, NmosParams] = {
    "mosis_180nm": MOSIS_180NM,
    "mosis_180nm_long": MOSIS_180NM_LONG,
    "ptm_130nm_read": PTM_130NM_READ,
    "ptm_130nm_set": PTM_130NM_SET,
    "ptm_65nm_read": PTM_65NM_READ,
    "ptm_65nm_set": PTM_65NM_SET,
    "ptm_45nm_read": PTM_45NM_READ,
    "ptm_45nm_set": PTM_45NM_SET,
    "stanford_pku_2": STANFORD_PKU_2,
}
