"""Disordered lattices and their diffraction: encodings, samplers, spectra, grids, form factors."""
