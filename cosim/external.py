"""A circuit of somebody else in every simulation where one of ours would be: what calibrates our twins to it."""

from cosim.engines import Analysis, Engine, SimulationError
from cosim.waveforms import Waveforms
from netlists.external import External, replaced
from netlists.spice import Netlist


class Substituted(Engine):
    """`engine`, which simulates `external` wherever a netlist has our subcircuit of that name.

    `CIRCUITS["lif"].calibrate(p, Substituted(engine, external))` is the record of a twin of the external circuit;
    its digest is that of the bench with the user's text inside.
    """

    def __init__(self, engine: Engine, external: External) -> None:
        self.engine, self.external = engine, external

    def version(self) -> str:
        return self.engine.version()

    def run(self, netlist: Netlist, analysis: Analysis) -> Waveforms:
        try:
            return self.engine.run(replaced(netlist, self.external.subckt), analysis)
        except SimulationError as error:
            place = self.external.place(error.log)
            if place is None:
                raise
            what = f"{place}: {error.what}"
            raise SimulationError(
                what, deck=error.deck, log=error.log, command=error.command, hint=error.hint
            ) from None
