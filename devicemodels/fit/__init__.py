"""Parameters of a device from measurements: I-V sweeps or pulse responses.

data = read_csv(Path("sweep.csv"))           or sweep(v, i, t), pulses(g, amplitude, width)
found = fit(device("vteam"), data)           optimum, 95 % intervals, what the data leave open, whether it fits
write(found, Path("my_cell"))                the parameter set in Python, SPICE and Verilog-A
"""

from devicemodels.fit.data import Trace, pulses, sweep
from devicemodels.fit.fitting import Fit, Spread, fit, profile
from devicemodels.fit.formats import Pulses, read_csv
from devicemodels.fit.judge import Verdict
from devicemodels.fit.output import plot, rows, summary, write

__all__ = [
    "Fit",
    "Pulses",
    "Spread",
    "Trace",
    "Verdict",
    "fit",
    "plot",
    "profile",
    "pulses",
    "read_csv",
    "rows",
    "summary",
    "sweep",
    "write",
]
