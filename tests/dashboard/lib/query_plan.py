"""How the database runs a query."""

from django.db import connection


def explained(sql):
    """How SQLite would go about it; nothing of another database, whose plan depends on its rows."""
    if connection.vendor != "sqlite":
        return ""
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN QUERY PLAN " + sql)
        return " ".join(row[3] for row in cursor.fetchall())
