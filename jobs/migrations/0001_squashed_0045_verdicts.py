"""Create the tables of a new database at once, where 0001 to 0045 render all models for each step.

A database that has some of those steps takes the others: they stay. See decision 114.
"""

from django.conf import settings
from django.db import migrations

from jobs.migrations import _tables_of_deployments, _tables_of_jobs, _tables_of_results


class Migration(migrations.Migration):

    initial = True

    replaces = [
        ("jobs", "0001_initial"),
        ("jobs", "0002_instance_swept_at"),
        ("jobs", "0003_result_surroundings"),
        ("jobs", "0004_instance_awake_since"),
        ("jobs", "0005_assets_datasets_and_details"),
        ("jobs", "0006_served_points"),
        ("jobs", "0007_preflights"),
        ("jobs", "0008_dies_seen"),
        ("jobs", "0009_queue_order"),
        ("jobs", "0010_asks_and_guide"),
        ("jobs", "0011_deployment_progress"),
        ("jobs", "0012_list_indexes"),
        ("jobs", "0013_retention"),
        ("jobs", "0014_unpinned"),
        ("jobs", "0015_made"),
        ("jobs", "0016_requests_of_all"),
        ("jobs", "0017_identity"),
        ("jobs", "0018_asked"),
        ("jobs", "0019_answers_in_full"),
        ("jobs", "0020_job_scores"),
        ("jobs", "0021_turn_attempts"),
        ("jobs", "0022_turn_deployments"),
        ("jobs", "0023_hits_since_start"),
        ("jobs", "0024_incomplete"),
        ("jobs", "0025_requests_apart"),
        ("jobs", "0026_api_token_scope"),
        ("jobs", "0027_messages_and_types"),
        ("jobs", "0028_messages_in_json"),
        ("jobs", "0029_queue_names"),
        ("jobs", "0030_queue_values"),
        ("jobs", "0031_host_names"),
        ("jobs", "0032_host_refusals"),
        ("jobs", "0033_secrets"),
        ("jobs", "0034_audit_origin"),
        ("jobs", "0035_host_valkey_user"),
        ("jobs", "0036_roles"),
        ("jobs", "0037_sources"),
        ("jobs", "0038_endpoints"),
        ("jobs", "0040_service_levels"),
        ("jobs", "0041_organised_results"),
        ("jobs", "0042_matrix"),
        ("jobs", "0043_imports"),
        ("jobs", "0044_chat_endpoints"),
        ("jobs", "0045_verdicts"),
    ]

    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        *_tables_of_jobs.OPERATIONS,
        *_tables_of_deployments.OPERATIONS,
        *_tables_of_results.OPERATIONS,
    ]
