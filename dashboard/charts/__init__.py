"""Charts, one file each: rows in, Plotly figure out; pure."""
