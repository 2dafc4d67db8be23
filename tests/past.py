"""Models as an old migration knows them, on the tables of today, for tests of migrations."""

from __future__ import annotations

from django.apps.registry import Apps
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import RemoveField, RenameField


def every_step() -> MigrationLoader:
    """The migrations one by one, without one that takes the place of several."""
    return MigrationLoader(connection, replace_migrations=False)


def models_of(migration: str, app: str = "jobs") -> Apps:
    """The models of ``migration`` ("0023_hits_since_start"); columns renamed since are found."""
    loader = every_step()
    graph = loader.graph
    known = set(graph.forwards_plan((app, migration)))
    (leaf,) = set(graph.leaf_nodes(app)) - loader.replacements.keys()
    state = loader.project_state((app, migration))
    models = {
        model: state_model for (owner, model), state_model in state.models.items() if owner == app
    }
    fields = {model: dict(state_model.fields) for model, state_model in models.items()}
    was: dict[tuple[str, str], str] = {}  # (model, name of today) -> name of then
    for node in graph.forwards_plan(leaf):
        if node in known or node[0] != app:
            continue
        for operation in loader.graph.nodes[node].operations:
            model = getattr(operation, "model_name_lower", "")
            if isinstance(operation, RenameField):
                then = was.pop((model, operation.old_name), operation.old_name)
                was[model, operation.new_name] = then
            elif isinstance(operation, RemoveField):
                then = was.pop((model, operation.name), operation.name)
                fields.get(model, {}).pop(then, None)
    for (model, name), then in was.items():
        if then in fields.get(model, {}):
            fields[model][then] = field = fields[model][then].clone()
            field.db_column = f"{name}_id" if field.remote_field else name
    for model, ours in fields.items():
        models[model].fields = ours
    return state.apps
