"""`scan` of the retention neuron for numba: the same steps in one pass; needs the extra numba.

Arrays are [time, neuron]. Neurons go in blocks whose state stays in the cache over all steps; the numbers that depend
on the type are arguments, so that float32 stays float32.
"""

import numpy as np
from numba import njit

BLOCK = 2048


@njit(cache=True, error_model="numpy")
def forward(i, u, spikes, membrane, keep, retention, threshold, negative_slope, hard):
    steps, neurons = i.shape
    zero = retention - retention
    one = np.ones(1, i.dtype)[0]
    for start in range(0, neurons, BLOCK):
        stop = min(start + BLOCK, neurons)
        state = u[start:stop]
        for t in range(steps):
            current, out = i[t, start:stop], spikes[t, start:stop]
            for j in range(stop - start):
                v = retention * state[j] + current[j]
                v = v * negative_slope if v < zero else v
                fired = v >= threshold
                out[j] = one if fired else zero
                if hard:
                    state[j] = zero if fired else v
                else:
                    state[j] = v - threshold if fired else v
                if keep:
                    membrane[t, start + j] = v


@njit(cache=True, error_model="numpy")
def _surrogate(x, slope, kind, half, one, curve):
    if kind == 0:
        d = one + slope * abs(x)
        return one / (d * d)
    if kind == 1:
        return slope if abs(x) * slope < half else slope - slope
    d = curve * x
    return half * slope / (one + d * d)


@njit(cache=True, error_model="numpy")
def backward(grad, carry, membrane, out, retention, threshold, negative_slope, hard, through, slope, kind, curve):
    steps, neurons = grad.shape
    zero = retention - retention
    one = np.ones(1, grad.dtype)[0]
    half = one / (one + one)
    for start in range(0, neurons, BLOCK):
        stop = min(start + BLOCK, neurons)
        after = carry[start:stop]
        for t in range(steps - 1, -1, -1):
            g, v_t, o = grad[t, start:stop], membrane[t, start:stop], out[t, start:stop]
            for j in range(stop - start):
                v = v_t[j]
                d = _surrogate(v - threshold, slope, kind, half, one, curve)
                if hard:
                    kept = zero if v >= threshold else one
                    lost = v
                else:
                    kept = one
                    lost = threshold
                if through:
                    kept = kept - lost * d
                total = g[j] * d + after[j] * kept
                total = total * negative_slope if v < zero else total
                o[j] = total
                after[j] = retention * total
