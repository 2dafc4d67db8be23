"""A tool's output: bytes in, typed result out; pure."""
