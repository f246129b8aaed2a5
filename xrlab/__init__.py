"""Estimate the short-range order of crystals from their diffuse X-ray scattering.

The names below are the public interface; each is loaded from its module when it is first used, so
that ``import xrlab`` is quick and loads neither Keras nor plotly.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
