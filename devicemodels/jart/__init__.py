"""JART VCM v1b: oxygen vacancies, a Schottky contact and Joule heat (Cueppers 2019, Bengel 2020)."""

from devicemodels.jart.params import HFO2_TIOX, PUBLISHED, JartParams

__all__ = ["HFO2_TIOX", "PUBLISHED", "JartParams"]
