"""One migration makes the tables of a new database: those of a database that was upgraded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.executor import MigrationExecutor

from tests.past import every_step

pytestmark = pytest.mark.django_db

UPGRADED = "upgraded"  # of PostgreSQL: a schema beside that of the tests
SQUASHED = ("jobs", "0001_squashed_0045_verdicts")


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[BaseDatabaseWrapper]:
    """An empty database in the place of the tests' own."""
    ours, other = connections["default"], connections["default"].copy()
    if ours.vendor == "sqlite":
        other.settings_dict["NAME"] = str(tmp_path / UPGRADED)
    else:
        options = {**other.settings_dict["OPTIONS"], "options": f"-c search_path={UPGRADED}"}
        other.settings_dict["OPTIONS"] = options
        with other.cursor() as cursor:
            cursor.execute(f"CREATE SCHEMA {UPGRADED}")
    connections["default"] = other
    try:
        yield other
    finally:
        connections["default"] = ours
        if other.vendor != "sqlite":
            with other.cursor() as cursor:
                cursor.execute(f"DROP SCHEMA {UPGRADED} CASCADE")
        other.close()


def tables(database: BaseDatabaseWrapper) -> dict[str, object]:
    """Columns, keys, indexes and checks of each table, without the names that Django makes up."""
    asked, found = database.introspection, {}
    with database.cursor() as cursor:
        for table in set(asked.table_names(cursor)) - {"django_migrations"}:
            columns = asked.get_table_description(cursor, table)
            about = {(one.name, str(one.type_code), one.null_ok, one.default) for one in columns}
            rules = asked.get_constraints(cursor, table).values()
            found[table] = (about, sorted(repr(sorted(rule.items())) for rule in rules))
    return found


@pytest.mark.postgresql
def test_an_upgraded_database_has_the_tables_of_a_new_one(request):
    new = tables(connections["default"])
    upgraded = request.getfixturevalue("empty")
    # An installation that has done every step of its time.
    executor = MigrationExecutor(upgraded)
    executor.loader = every_step()
    last_step = executor.loader.disk_migrations[SQUASHED].replaces[-1]
    executor.migrate([last_step])

    call_command("migrate", verbosity=0)

    assert tables(upgraded) == new
    executor = MigrationExecutor(upgraded)
    assert executor.migration_plan(executor.loader.graph.leaf_nodes()) == []
    assert SQUASHED in executor.recorder.applied_migrations()


def test_the_one_migration_and_its_steps_have_the_same_models():
    steps = every_step()
    of_steps = steps.project_state(steps.disk_migrations[SQUASHED].replaces[-1])

    changes = MigrationAutodetector(of_steps, steps.project_state(SQUASHED)).changes(steps.graph)

    assert "jobs" not in changes


def test_a_new_database_takes_the_one_migration():
    assert SQUASHED in MigrationExecutor(connection).loader.graph.nodes
