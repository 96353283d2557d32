"""The neural-ODE digital twin: an HP memristor and Lorenz96, from data to the closed analogue loop."""
