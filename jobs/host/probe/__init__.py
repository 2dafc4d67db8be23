"""Equipment of the host: processor, memory, disk, tools, dies.
Here: reads `/proc`, files and short commands; changes nothing.
Not here: whether a plan can run (`host.checks`).
"""
