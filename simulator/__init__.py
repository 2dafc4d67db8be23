"""Stand-ins for the tools of a VACC host; see README.md."""
