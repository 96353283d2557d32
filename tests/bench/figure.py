"""Plot of CPU time against the side of the array, with targets and limits drawn in."""

from pathlib import Path

from tests.bench.targets import TARGETS, Rows

CURVES = {
    "geff": ("tab:blue", "-", "o", "G_eff"),
    "gradient of geff": ("tab:blue", "--", "s", "gradient of G_eff"),
    "read": ("tab:green", "-", "o", "one read"),
    "1000 reads": ("tab:purple", "-", "o", "1000 reads"),
    "ngspice read": ("tab:red", "-", "^", "one read, ngspice KLU"),
    "splu read": ("tab:orange", "-", "^", "one read, scipy sparse LU"),
    "badcrossbar read": ("tab:brown", "-", "^", "one read, badcrossbar"),
    "badcrossbar 1000 reads": ("tab:brown", "--", "^", "1000 reads, badcrossbar"),
    "matmul 1": ("0.5", ":", "", "limit: one product with known G_eff"),
    "matmul 1000": ("0.5", "-.", "", "limit: 1000 products with known G_eff"),
}


def plot(rows: Rows, path: Path) -> None:
    """Write the figure (PNG)."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 6))
    for name, (colour, style, marker, label) in CURVES.items():
        points = [(side, row[name]) for side, row in rows.items() if name in row]
        if points:
            axes.loglog(*zip(*points, strict=True), color=colour, linestyle=style, marker=marker, label=label, ms=4)
    limits = [t for t in TARGETS if not t.over and t.row in CURVES]
    for k, target in enumerate(limits):
        ends = (target.side / 1.25, target.side * 1.25)
        axes.plot(ends, [target.limit] * 2, color=CURVES[target.row][0], lw=4, alpha=0.4,
                  label="target (colour of its curve)" if k == 0 else None)  # fmt: skip
    sides = list(rows)
    axes.set_xticks(sides, [str(side) for side in sides])
    axes.minorticks_off()
    axes.set(xlabel="side n of the n × n array", ylabel="CPU seconds, one thread", title="Exact crossbar, 2 Ω lines")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    plt.close(figure)
