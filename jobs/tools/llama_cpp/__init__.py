"""llama.cpp: quantisation and its server.
Here: its command lines, scripts and pins.
Not here: fields of the forms (`kinds.compile`, `kinds.deploy`).
"""
