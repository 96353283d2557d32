"""Early stop in lock step, circuit against twin, on 40 inputs: python -m tests.bench.lock_step

Prints how often ngspice is ended at the step of the twin, how much of the time was not simulated, and what the same
circuits take to their end.
"""

import time

import numpy as np

from cosim.calibration import load
from cosim.twins.lif import LifFit
from tests.cosim.test_cosimulation import STEPS, evidence, stop_of_circuit, stop_of_twin

INPUTS = 40


def main() -> None:
    """Run the inputs and print the table."""
    fit = LifFit(**load("lif").fit)
    twin = np.array([stop_of_twin(evidence(sample), fit) for sample in range(INPUTS)])
    begin = time.perf_counter()
    circuit = [stop_of_circuit(evidence(sample)) for sample in range(INPUTS)]
    stopped = time.perf_counter() - begin
    begin = time.perf_counter()
    for sample in range(INPUTS):
        stop_of_circuit(evidence(sample), whole=True)
    whole = time.perf_counter() - begin
    steps, saved = (np.array(column) for column in zip(*circuit, strict=True))
    print(
        f"same step: {(steps == twin).sum()} of {INPUTS}; steps {np.bincount(steps, minlength=STEPS + 1)[1:].tolist()}"
    )
    print(f"simulated time saved: {100 * saved.mean():.1f} %; wall time {stopped:.1f} s, to the end {whole:.1f} s")


if __name__ == "__main__":
    main()
