"""The certificate: a trained model sent back through a circuit simulator, layer by layer and end to end."""

from cosim.certification.certificate import Certificate, LayerErrors, SpikeErrors
from cosim.certification.certify import certify
from cosim.certification.domain import OutsideDomain
from cosim.certification.intervals import Difference, Share, paired, tango, wilson

__all__ = [
    "Certificate",
    "Difference",
    "LayerErrors",
    "OutsideDomain",
    "Share",
    "SpikeErrors",
    "certify",
    "paired",
    "tango",
    "wilson",
]
