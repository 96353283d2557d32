"""A circuit of somebody else in every simulation where one of ours would be: what calibrates our twins to it."""

import re

from cosim.engines import Analysis, Engine, SimulationError
from cosim.waveforms import Waveforms
from netlists.external import External, replaced
from netlists.spice import Netlist

DECK_LINE = re.compile(r"\bline\D{0,6}(\d+)", re.IGNORECASE)


class Substituted(Engine):
    """`engine`, which simulates `external` wherever a netlist has our subcircuit of that name.

    `CIRCUITS["lif"].calibrate(p, Substituted(engine, external))` is the record of a twin of the external circuit; its
    digest is that of the bench with the user's text inside. Errors of the simulator name the line of the user's file
    where the log tells which it is.
    """

    def __init__(self, engine: Engine, external: External) -> None:
        self.engine, self.external = engine, external

    def version(self) -> str:
        return self.engine.version()

    def run(self, netlist: Netlist, analysis: Analysis) -> Waveforms:
        try:
            return self.engine.run(replaced(netlist, self.external.subckt), analysis)
        except SimulationError as error:
            place = self._place(error)
            if place is None:
                raise
            what = f"{place}: {error.what}"
            raise SimulationError(
                what, deck=error.deck, log=error.log, command=error.command, hint=error.hint
            ) from None

    def _place(self, error: SimulationError) -> str | None:
        """Where in the user's file the trouble is: by the number of a line of the deck, or by its text in the log."""
        deck = error.deck.splitlines()
        numbers = [int(number) for number in DECK_LINE.findall(error.log)]
        said = [deck[number - 1] for number in numbers if 0 < number <= len(deck)]
        return next((place for text in (*said, error.log) if (place := self.external.place(text))), None)
