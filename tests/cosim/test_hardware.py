"""Hardware refuses what cannot be built, naming field, value and remedy."""

from dataclasses import replace

import pytest

from cosim.hardware import DEMO, IDEAL, TAOX_40NM, Hardware


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"g_min": 2e-4}, r"g_max must be above g_min \(0.0002 S\), got 0.0001"),
        ({"cols": 7}, "cols must be even.* got 7"),
        ({"rows": 0}, "rows must be positive, got 0"),
        ({"v_read": float("nan")}, "v_read must be positive, got nan"),
        ({"dac_bits": 0}, "dac_bits must be between 1 and 24, .* got 0"),
        ({"dac_bits": 25}, "dac_bits must be between 1 and 24, .* got 25"),
        ({"dac_bits": True}, "dac_bits must be between 1 and 24, .* got True"),
        ({"adc_bits": 1}, "adc_bits must be between 2 and 24, .* got 1"),
        ({"adc_range": -1.0}, "adc_range must be a positive current"),
        ({"bit_serial": True}, "dac_bits must be given when bit_serial"),
    ],
)
def test_a_wrong_field_is_named_with_its_value(change, message):
    with pytest.raises(ValueError, match="Hardware." + message):
        replace(IDEAL, **change)


def test_bit_serial_reads_allow_a_one_bit_converter():
    assert replace(IDEAL, bit_serial=True, dac_bits=1, adc_bits=1).adc_bits == 1


def test_the_demo_is_the_macro_in_smaller_tiles():
    assert replace(DEMO, rows=512, cols=512) == TAOX_40NM
    assert Hardware().worst_current == pytest.approx(512 * 100e-6 * 0.2, rel=1e-15)
