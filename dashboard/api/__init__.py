"""The REST API, and the intake that hosts report to."""
