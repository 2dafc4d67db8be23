"""What the stand-in programs share. Standard library only, Python 3.10 or newer."""
