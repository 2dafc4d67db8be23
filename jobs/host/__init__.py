"""All that runs on a host: no Django, no database."""
