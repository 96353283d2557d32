"""Arrays of any cells: lines that may float, Newton's method, transients, line capacitance."""
