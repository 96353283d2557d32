"""The certificate: a trained model sent back through a circuit simulator, layer by layer and end to end."""

from cosim.certification.certificate import Certificate, LayerErrors, Share, wilson
from cosim.certification.certify import certify

__all__ = ["Certificate", "LayerErrors", "Share", "certify", "wilson"]
