"""What tests of the dashboard share: callers, engines, servers, rows."""
