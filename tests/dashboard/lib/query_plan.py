"""Query plans of the database."""

from django.db import connection


def explained(sql):
    """Return SQLite's plan of a query; "" on another database, whose plan depends on its rows."""
    if connection.vendor != "sqlite":
        return ""
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN QUERY PLAN " + sql)
        return " ".join(row[3] for row in cursor.fetchall())
