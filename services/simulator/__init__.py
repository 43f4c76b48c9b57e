"""A TWS that is not there: the socket protocol, a book that moves, and every way to misbehave."""

from services.simulator.simulator import Burst, Simulator

__all__ = ["Burst", "Simulator"]
