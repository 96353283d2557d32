"""What a training step on modelled hardware costs: MLP 784-512-10, batch 128, beside plain torch in one run.

Target: at most 1.7 times plain torch with weight noise, output noise, 8-bit inputs and outputs, tiles of 512 × 512.
All networks take turns step by step, so that they share whatever else the machine does; CPU seconds of one thread,
medians. aihwkit-lightning is measured beside them where it is installed.

    python -m tests.bench.training --steps 200
"""

import argparse
import importlib
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor, nn

from cosim import calibrate_ranges, convert_to_analog, learn_ranges, set_training_noise
from cosim.hardware import IDEAL
from cosim.layers import TrainingNoise
from devicemodels.statistics import ProgrammingError, ReadNoise

LIMIT = 1.7
PLAIN = "plain torch"
TARGET = "weight noise, output noise, 8-bit in and out"
HARDWARE = replace(IDEAL, dac_bits=8, adc_bits=8, adc_of="pair")
WEIGHT_NOISE = TrainingNoise(programming=ProgrammingError(absolute=6e-6), output=1e-7)
"""6 % of g_max for every cell, and 0.1 µA for every converter."""


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 10))


def analog(x: Tensor, noise: TrainingNoise | None, *, adc_of: str = "pair", learned: bool = False) -> nn.Module:
    model = convert_to_analog(network(), replace(HARDWARE, adc_of=adc_of))
    calibrate_ranges(model, x)
    if learned:
        learn_ranges(model)
    if noise is not None:
        set_training_noise(model, noise, torch.Generator().manual_seed(0))
    return model.train()


def lightning() -> nn.Module | None:
    """Its usual hardware-aware configuration: 8 bits in and out, output noise 0.04, weight noise 0.06."""
    try:
        config = importlib.import_module("aihwkit_lightning.simulator.configs").TorchInferenceRPUConfig()
        convert = importlib.import_module("aihwkit_lightning.nn.conversion").convert_to_analog
        weight_modifiers = importlib.import_module("aihwkit_lightning.simulator.parameters").WeightModifierType
    except ImportError:
        return None
    config.forward.inp_res = config.forward.out_res = 2**8 - 2
    config.forward.out_noise = 0.04
    config.modifier.type, config.modifier.std_dev = weight_modifiers.ADD_NORMAL, 0.06
    config.pre_post.input_range.enable = True
    config.mapping.max_input_size = 512
    return convert(network(), config)


def stepper(model: nn.Module, x: Tensor, labels: Tensor) -> Callable[[], float]:
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01)

    def step() -> float:
        start = time.process_time()
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(x), labels).backward()
        optimiser.step()
        return time.process_time() - start

    return step


def networks(x: Tensor) -> dict[str, nn.Module]:
    relative = TrainingNoise(programming=ProgrammingError(relative=0.05), read=ReadNoise(relative=0.02))
    found = {
        PLAIN: network(),
        "8-bit in and out": analog(x, None),
        TARGET: analog(x, WEIGHT_NOISE),
        "the same, learned ranges": analog(x, WEIGHT_NOISE, learned=True),
        "noise relative to each conductance, 8-bit": analog(x, relative),
        "a draw for each cell, 8-bit": analog(x, replace(WEIGHT_NOISE, cells="each")),
        "a converter for each bit line": analog(x, WEIGHT_NOISE, adc_of="line"),
    }
    peer = lightning()
    return found if peer is None else found | {"aihwkit-lightning": peer}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200)
    options = parser.parse_args()
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    x, labels = torch.rand(128, 784, generator=generator), torch.randint(0, 10, (128,), generator=generator)
    steppers = {name: stepper(model, x, labels) for name, model in networks(x).items()}
    times: dict[str, list[float]] = {name: [] for name in steppers}
    for _ in range(options.steps + 5):
        for name, step in steppers.items():
            times[name].append(step())
    # The first steps allocate and compute constants.
    medians = {name: statistics.median(values[5:]) for name, values in times.items()}
    print("| training step, MLP 784-512-10, batch 128 | ms | over plain |\n|---|---|---|")
    for name, value in medians.items():
        print(f"| {name} | {value * 1e3:.2f} | {value / medians[PLAIN]:.2f} |")
    if "aihwkit-lightning" not in medians:
        print("| aihwkit-lightning | not installed | - |")
    ratio = medians[TARGET] / medians[PLAIN]
    print(f"\nTarget: {TARGET} at most {LIMIT} times plain: {ratio:.2f}, {'met' if ratio <= LIMIT else 'missed'}.")


if __name__ == "__main__":
    main()
