"""Parts that several kinds of reports have: numbers, method, remarks."""
