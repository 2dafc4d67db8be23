"""``opencompass`` 0.4.1: it really asks the server, a few of the questions of each set."""
