"""Django settings, all from the environment (:mod:`dashboard.config.env`)."""

import os
import re
from typing import Any
from urllib.parse import urlsplit

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from dashboard.config import env as env_module
from dashboard.config.env import BASE_DIR, BadVariable

try:
    ENV = env_module.load_remembering(os.environ)
    SECRET_KEY = env_module.secret_key(ENV)
except (BadVariable, OSError) as error:
    raise ImproperlyConfigured(str(error)) from error

DEBUG = ENV.debug
VALIDATE_FIGURES = DEBUG  # by Plotly: slow
DATA_DIR = ENV.data_dir
SECRETS_KEY_FILE = ENV.secrets_key_file
STOPPING_FILE = env_module.STOPPING_FILE

# Addresses. PUBLIC_URL sets allowed hosts, origins, cookie security and every absolute link.
PUBLIC_URL = ENV.public_url or f"http://127.0.0.1:{ENV.port}"
_public = urlsplit(PUBLIC_URL)
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]", _public.hostname or ""]
CSRF_TRUSTED_ORIGINS = [f"{_public.scheme}://{_public.netloc}"]
FORCE_SCRIPT_NAME = _public.path or None
TRUSTED_PROXIES = ENV.trusted_proxies
NGINX_FILES = ENV.nginx_files
_is_https = _public.scheme == "https"
# Begin of absolute links; "": the address that was asked.
PUBLIC_ORIGIN = f"{_public.scheme}://{_public.netloc}" if ENV.public_url else ""

# In redis-py's spelling; "" while a command runs beside no dashboard: hints are then left out.
REDIS_URL = ENV.redis_url
# The address that hosts on other computers use, with placeholders for their login; "": none.
HOST_REDIS_URL = env_module.host_redis_url(ENV)
# Users of the embedded Valkey; None: another Redis, whose users somebody else manages.
VALKEY_USERS_FILE = env_module.valkey_users_file(ENV)

# Counters that all web processes share (dashboard.security.login_throttle); nothing that must not
# be lost.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "cache",
        "OPTIONS": {"socket_connect_timeout": 1.0, "socket_timeout": 1.0},
    }
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    # What a process has found out and would otherwise find out again.
    "process": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "process"},
    # Counters while Redis is away. With few entries, strangers would push one another's out.
    "without_redis": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "without_redis",
        "OPTIONS": {"MAX_ENTRIES": 20_000},
    },
}

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "csp",
    "channels",
    "jobs",
    "dashboard",
]
# Static files are served beside Django, see dashboard.asgi.
MIDDLEWARE = [
    "dashboard.middleware.compressed",
    "dashboard.middleware.private_pages",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "dashboard.middleware.viewer_time_zone",
    "dashboard.middleware.no_zero_bytes",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "dashboard.middleware.LoginRequired",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "dashboard.middleware.audit_origin",
    "dashboard.server.downloads.limited_streams",
    "dashboard.server.downloads.resumable_exports",
]
ROOT_URLCONF = "dashboard.urls"
ASGI_APPLICATION = "dashboard.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": False,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "dashboard.context_processors.frame",
            ]
        },
    }
]
DATABASES = {"default": env_module.database(ENV)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTHENTICATION_BACKENDS = ["dashboard.security.request.Accounts"]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "overview"
LOGOUT_REDIRECT_URL = "login"
AUTH_PASSWORD_VALIDATORS: list[dict[str, Any]] = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in (
        ("UserAttributeSimilarityValidator", {}),
        ("MinimumLengthValidator", {"min_length": 10}),
        ("CommonPasswordValidator", {}),
        ("NumericPasswordValidator", {}),
    )
]
# A cookie belongs to a host, whatever the port: two dashboards on one machine must not share one.
SESSION_COOKIE_NAME = f"sessionid_{ENV.port}"
SESSION_COOKIE_SECURE = _is_https
SESSION_COOKIE_AGE = 30 * 86400
# Of a browser in which somebody has logged in (dashboard.security.login_throttle).
BROWSER_COOKIE_NAME = f"browser_{ENV.port}"
CSRF_COOKIE_SECURE = _is_https
LANGUAGE_COOKIE_SECURE = _is_https
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_AGE = 365 * 86400
SECURE_REFERRER_POLICY = "same-origin"
# With an https PUBLIC_URL a browser never asks without TLS again; a page that is asked without TLS
# is at PUBLIC_URL. Programs keep their way: This computer asks at the loopback address.
SECURE_HSTS_SECONDS = 365 * 86400 if _is_https else 0
SECURE_SSL_REDIRECT = _is_https
SECURE_SSL_HOST = _public.netloc
SECURE_REDIRECT_EXEMPT = [rf"^{re.escape(f'{_public.path}/'[1:])}(api/v1/|healthz)"]
# Other services of the same domain may have no TLS, and no browser's list has an office's name.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        # The hash of nothing: Plotly makes an empty <style> and fills it through the CSSOM.
        "style-src": [SELF, "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

USE_TZ = True
TIME_ZONE = ENV.time_zone
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [BASE_DIR / "locale"]

STATIC_URL = f"{_public.path}/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# All files are our own or vendored; what libraries bring for their own examples is left out.
STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
STATIC_ROOT = DATA_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "dashboard.server.bundles.HashedStorage"
    },
}

HOST_AWAY_AFTER_S = 30
HOST_LOST_AFTER_S = ENV.host_lost_after_s
STALLED_AFTER_S = ENV.stalled_after_s
GATEWAY_DURING_BENCHMARKS = ENV.gateway_during_benchmarks
GATEWAY_HOLD_S = ENV.gateway_hold_s
QUEUE_LIMIT = ENV.queue_limit
COMPRESS_LOGS_AFTER_S = ENV.compress_logs_after_s
RETENTION_AGE_S = ENV.retention_age_s
RETENTION_SIZE_BYTES = ENV.retention_size_bytes
JOB_LOG_LIMIT_BYTES = ENV.job_log_limit_bytes
JOB_POINTS_LIMIT_BYTES = ENV.job_points_limit_bytes
JOB_OUTPUTS_LIMIT_BYTES = ENV.job_outputs_limit_bytes
IMPORT_LIMIT_BYTES = ENV.import_limit_bytes
HOST_STORAGE_LIMIT_BYTES = ENV.host_storage_limit_bytes
DISK_RESERVE_BYTES = ENV.disk_reserve_bytes

# Modules with tasks that read a stranger's bytes: imported by workers, never by the web process.
CONFINED_MODULES = [
    "jobs.services.outcomes.outcomes",
    "jobs.readings",
    "dashboard.actions.import_tasks",
    "dashboard.pages.jobs.probe_tasks",
]

_audit_handlers = env_module.audit_handlers(ENV.audit_export)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line"},
        **_audit_handlers,
    },
    "root": {"handlers": ["console"], "level": ENV.log_level},
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        # Responses such as 404 and 409 are no faults of ours; hosts get 409 by protocol.
        "django.request": {"level": "ERROR"},
        env_module.LOGGER: {"handlers": [*_audit_handlers], "level": "INFO", "propagate": False},
    },
}
