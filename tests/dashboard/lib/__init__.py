"""Shared by tests of the dashboard: callers, engines, servers, rows."""
