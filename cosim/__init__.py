"""Runs, fits and layers: engines, waveforms, calibrations, twins, layers, certificates."""
