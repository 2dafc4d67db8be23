"""Overload: memory stays bounded, the rest goes on, and nothing is lost.

``make pressure`` (``__main__``) runs real processes; ``cases`` are what they are put under.
"""
