"""zoosup: a declarative supervisor for the model servers of one host."""

__version__ = "0.1.0"
