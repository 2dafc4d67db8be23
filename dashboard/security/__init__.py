"""Who may do what, who may log in, what is recorded, what a request may hold.
Here: permissions, login throttle, audit log, access to logs.
Not here: pages about accounts (`views`), who stays on a socket (`consumers`).
"""
