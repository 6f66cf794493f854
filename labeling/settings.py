"""Settings: all from the environment, read once, refused with one sentence when half-configured.

`boxwise up` sets everything for one machine. In production set SECRET_KEY, ALLOWED_HOSTS, DATABASE_URL,
BROKER_URL, STORAGE_URL, and FEED_URL where the broker is not a Redis; docker/env.example lists the rest.
"""

import os
from urllib.parse import urlsplit

from labeling.server import environment, slide_places
from labeling.server.environment import flag, number, required, words
from labeling.server.secret_files import read_secret_files

read_secret_files()
BASE_DIR = environment.CHECKOUT
DATA_DIR = environment.data_dir()
DEBUG = flag("DEBUG")

# Workers and recovery sign nothing, and `boxwise up` gives them no key: whatever would sign there fails loudly,
# since Django refuses an empty one at its first use.
_signs = os.environ.get("BOXWISE_PROCESS", "") not in ("worker", "interactive", "files", "recovery")
SECRET_KEY = required("SECRET_KEY", "a long random string that stays the same") if _signs else ""
if _signs and len(SECRET_KEY) < 32:
    raise SystemExit("Boxwise does not start: SECRET_KEY must have at least 32 characters.")
_names = words("ALLOWED_HOSTS")
if not _names and not DEBUG:
    required("ALLOWED_HOSTS", "the host names under which people reach the site, separated by commas")
# Probes of the machine itself ask at its local address, whatever names people use.
ALLOWED_HOSTS = [*_names, "localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS = words("CSRF_TRUSTED_ORIGINS")
# Where people reach the site, for the links in mail and webhooks. A path in it (https://lab.example/boxwise) is where
# all pages, the API and static files lie.
SITE_URL = environment.site_url(_names, CSRF_TRUSTED_ORIGINS)
BASE_PATH = environment.base_path(SITE_URL)  # "" or "/boxwise"
SITE_ORIGIN = SITE_URL.removesuffix(BASE_PATH)  # reverse() gives addresses with the path
FORCE_SCRIPT_NAME = BASE_PATH or None

# -- the parts of the site

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular_sidecar",
    "django_htmx",
    "labeling",
    # Second factors, passkeys and accounts at an identity provider (labeling/accounts/adapters.py).
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
]
# One provider of OpenID Connect, or None. Its client library is imported only where there is one. Whoever signs nothing
# signs nobody in either, and is not given the provider's secret.
OIDC = environment.identity_provider() if _signs else None
if OIDC is not None:
    INSTALLED_APPS.append("allauth.socialaccount.providers.openid_connect")
MIDDLEWARE = [
    "labeling.server.log_context.RequestIds",
    "labeling.audit.current_request.CurrentRequest",
    "django.middleware.security.SecurityMiddleware",
    "labeling.server.headers.headers",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "labeling.accounts.sessions.NoteUse",
    "django.middleware.locale.LocaleMiddleware",
    "labeling.server.slashes.Slashes",
    "django.middleware.csrf.CsrfViewMiddleware",
    "labeling.server.characters.DeclineNul",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "labeling.accounts.second_factors.RequireSecondFactor",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "labeling" / "site" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "libraries": {"words": "labeling.site.words"},
        },
    }
]
ROOT_URLCONF = "labeling.urls"
ASGI_APPLICATION = "labeling.asgi.application"
AUTH_USER_MODEL = "labeling.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# A language is a file: labeling/locale/CODE/LC_MESSAGES/django.po (see tools/catalogues.py) for the pages and
# frontend/locale/CODE.json for the workspace. What is not translated stands there in English.
LANGUAGE_CODE = "en"
LOCALE_PATHS = [BASE_DIR / "labeling" / "locale"]
LANGUAGES = environment.languages(LOCALE_PATHS[0])
TIME_ZONE = "UTC"
USE_TZ = True

# -- database

# Requests run in short-lived threads, so connections are kept by a pool and not by the thread (CONN_MAX_AGE 0);
# the health check throws out those that a restarted PostgreSQL left dead.
DATABASES = {
    "default": environment.database(required("DATABASE_URL", "a PostgreSQL, postgresql://user:password@host/name"))
}
DATABASES["default"] |= {"CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": True}
DATABASES["default"]["OPTIONS"]["pool"] = {
    "min_size": 1,
    "max_size": number("DATABASE_POOL_SIZE", 20),
    "timeout": 10,  # seconds a request waits for a connection before it fails
}

# -- files

_storage_url = required("STORAGE_URL", "where images are kept, file:///directory or s3://bucket/prefix")
STORAGES = {
    "default": environment.storage(_storage_url),
    # Files as they came, which may name patients: a place of its own, which can have rights and a backup of its own.
    "originals": environment.storage(environment.originals_url(_storage_url)),
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
# Folders and storages below which slides can be registered where they lie: NAME=/folder or NAME=s3://bucket/prefix,
# several with commas between them. Formats that cannot be read in parts are copied into the folder of copies.
SLIDE_ROOTS = slide_places.slide_roots()
SLIDE_CACHE = DATA_DIR / "slide_copies"
SLIDE_CACHE_BYTES = slide_places.slide_cache_bytes()
STATIC_URL = f"{BASE_PATH}/static/"
STATIC_ROOT = os.environ.get("STATIC_ROOT") or DATA_DIR / "static"
STATICFILES_DIRS = [
    folder for folder in (BASE_DIR / "labeling" / "site" / "static", BASE_DIR / "frontend" / "dist") if folder.is_dir()
]
WHITENOISE_USE_FINDERS = DEBUG
# The build of the front end has packed the last two already; the others do not get smaller.
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = (
    "jpg",
    "jpeg",
    "png",
    "gif",
    "webp",
    "zip",
    "gz",
    "br",
    "woff",
    "woff2",
    "wasm",
    "onnx",
)
WHITENOISE_KEEP_ONLY_HASHED_FILES = False  # the workspace's modules import each other by their plain names
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 2**20  # bytes of a request body that is not a file: one batch of masks

# -- what projects keep

IMAGE_GRACE_DAYS = number("IMAGE_GRACE_DAYS", 30)  # for how long a deleted image or project can be restored
STORAGE_QUOTA_GIB = number("STORAGE_QUOTA_GIB", 0)  # of a project without a quota of its own; 0: none

# -- workers and live feed

BROKER_URL = required("BROKER_URL", "a Redis, Valkey or RabbitMQ, redis://host:6379/0")
FEED_URL = environment.feed_url(BROKER_URL)

CELERY_BROKER_URL = BROKER_URL
CELERY_RESULT_BACKEND = BROKER_URL if BROKER_URL.startswith("redis") else "rpc://"
CELERY_RESULT_EXPIRES = 60  # seconds; only interactive tasks answer through the broker
CELERY_TASK_IGNORE_RESULT = True  # interactive tasks ask for theirs with ignore_result=False
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "cpu"
INTERACTIVE = {"queue": "interactive"}
# The sender's queue argument decides otherwise.
CELERY_TASK_ROUTES = dict.fromkeys(("inference.prompt", "inference.refusion", "inference.likeness"), INTERACTIVE)
# Tasks are acknowledged before they run: who owns running work is decided by a lease on its row, and recovery
# starts again what lost it (docs/design.md, idea 3). A second delivery by the broker would only race with that.
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Redis would deliver a message again that waits longer than this without being acknowledged: longer than any round.
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 7 * 24 * 3600} if BROKER_URL.startswith("redis") else {}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# Read by workers only: the web process sends tasks by name and never sees torch. A worker that serves the queue "files"
# alone is started with WORKER_TASKS=files and does without torch as well.
_file_tasks = [
    "labeling.jobs.tasks",
    "labeling.images.tasks",
    "labeling.images.fields",
    "labeling.exchange.tasks",
    "labeling.reviews.agreement.computing",
    "labeling.reviews.certificates.accepting",
    "labeling.label_classes.merging",
    "labeling.upkeep.copying_images",
    "labeling.reviews.consensus.making",
]
_model_tasks = ["inference.worker.tasks", "inference.worker.proposing", "inference.worker.interactive"]
_model_tasks += ["inference.worker.vectors", "inference.worker.cell_maps", "inference.worker.likeness"]
_model_tasks += ["labeling.rounds.notices.tasks"]
CELERY_IMPORTS = _file_tasks if os.environ.get("WORKER_TASKS") == "files" else [*_model_tasks, *_file_tasks]

# -- telling people that a round has ended

MAIL_URL = os.environ.get("MAIL_URL", "").strip()
MAIL_IS_CONFIGURED = bool(MAIL_URL)
_mail = environment.mail(MAIL_URL)  # without a server: into the log of the worker that would have sent it
EMAIL_BACKEND = _mail.backend
EMAIL_HOST, EMAIL_PORT = _mail.host, _mail.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail.user, _mail.password
EMAIL_USE_SSL, EMAIL_USE_TLS = _mail.ssl, _mail.starttls
EMAIL_TIMEOUT = 10  # seconds for each answer of the mail server
DEFAULT_FROM_EMAIL = os.environ.get("MAIL_FROM", "").strip() or f"Boxwise <boxwise@{urlsplit(SITE_URL).hostname}>"
# Webhooks reach public addresses, and of the others only what whoever runs the server allows here.
WEBHOOK_NETWORKS = environment.networks("WEBHOOK_NETWORKS")
# Who stamps frozen protocols of studies with the time (RFC 3161). Empty: nobody is asked, nothing leaves the server.
TIME_STAMP_URL = environment.web_address("TIME_STAMP_URL")

# -- what all web processes count together

# The limits of second factors, and which codes were used: in Valkey, so that they hold for all processes.
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": FEED_URL, "KEY_PREFIX": "boxwise"}
}

# -- the API

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        # Token first: DRF then answers 401, not 403, to somebody whose session has ended.
        "labeling.accounts.tokens.PersonalTokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "labeling.accounts.scopes.TokenHasScope",
    ],
    "DEFAULT_THROTTLE_CLASSES": ["labeling.accounts.rates.TokenRate"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    # Bodies are read by their contracts (labeling/contract.py); the check against forged requests looks into forms.
    "DEFAULT_PARSER_CLASSES": [
        "rest_framework.parsers.JSONParser",
        "rest_framework.parsers.MultiPartParser",
        "rest_framework.parsers.FormParser",
    ],
    "DEFAULT_SCHEMA_CLASS": "labeling.schema.ContractSchema",
    "EXCEPTION_HANDLER": "labeling.api.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "URL_FORMAT_OVERRIDE": None,  # ?format= is a parameter that nobody declares, like any other
}
API_REQUESTS_PER_MINUTE = number("API_REQUESTS_PER_MINUTE", 1200)  # of one token
SPECTACULAR_SETTINGS = {
    "TITLE": "Boxwise",
    "DESCRIPTION": "Boxes, masks, rounds and exports of a Boxwise server. Errors are problem+json (RFC 9457).",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": ["labeling.schema.add_components"],
}

# -- people and safety

SESSION_ENGINE = "labeling.accounts.sessions"
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "home"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "labeling.accounts.passwords.HardToGuess"},
]
# The first is used; the others read what earlier versions stored, which is written anew at the next sign-in.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
# Everything else about coming in is in labeling/accounts; these say which parts of allauth serve it.
ACCOUNT_ADAPTER = "labeling.accounts.adapters.AccountAdapter"
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_REAUTHENTICATION_TIMEOUT = 600  # seconds after which changing a factor asks who is there once more
MFA_ADAPTER = "labeling.accounts.adapters.FactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_TOLERANCE = 1  # steps of 30 s that the clock of a phone may be off
MFA_TOTP_ISSUER = f"Boxwise {urlsplit(SITE_URL).hostname}"
SOCIALACCOUNT_ADAPTER = "labeling.accounts.adapters.ProviderAdapter"
SOCIALACCOUNT_REAUTHENTICATION_REQUIRED = True
SOCIALACCOUNT_PROVIDERS = {} if OIDC is None else {"openid_connect": OIDC.as_allauth()}
SESSION_IDLE_MINUTES = number("SESSION_IDLE_MINUTES", 480)  # without a request, after which a session is over
SESSION_DAYS = number("SESSION_DAYS", 14)  # after which it is over in any case
SESSION_COOKIE_AGE = SESSION_DAYS * 24 * 3600
AUDIT_DAYS = number("AUDIT_DAYS", 730)  # for how long the audit log is kept; 365 at least
# Behind TLS cookies never travel in the clear. An embedded instance speaks plain HTTP on the loopback
# interface, where a secure cookie would keep everyone out: `boxwise up` says so with PLAIN_HTTP=1.
_over_tls = not DEBUG and not flag("PLAIN_HTTP")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _over_tls
SECURE_SSL_REDIRECT = _over_tls and flag("SSL_REDIRECT", default=True)
SECURE_REDIRECT_EXEMPT = [f"^{BASE_PATH.lstrip('/')}/?{probe}$" for probe in ("healthz", "livez", "metrics")]
SECURE_HSTS_SECONDS = number("HSTS_SECONDS", 3600) if _over_tls else 0
# Whether every name below this one has TLS, and is to stand in the list of browsers, is not ours to decide.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if flag("BEHIND_PROXY") else None
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
# Two instances on one machine differ by port only, and cookies do not know ports: each has its own names.
_instance = number("PORT", 8000)
SESSION_COOKIE_NAME = f"boxwise_session_{_instance}"
CSRF_COOKIE_NAME = f"boxwise_csrf_{_instance}"
# Others may live at the same host, below paths of their own.
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = LANGUAGE_COOKIE_PATH = f"{BASE_PATH}/"
CSRF_FAILURE_VIEW = "labeling.site.error_pages.csrf_failure"
LANGUAGE_COOKIE_SECURE = _over_tls
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
X_FRAME_OPTIONS = "DENY"

# Who sends it in X-Health-Token hears from /healthz which part is down; everybody else hears only that one is.
HEALTH_TOKEN = os.environ.get("HEALTH_TOKEN", "").strip()

# -- log: plain lines on standard error; the supervisor sends them to a file of each process

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(name)s: %(context)s%(message)s"},
        "json": {"()": "labeling.server.log_context.JsonLines"},
    },
    "filters": {
        "hide_tokens": {"()": "labeling.server.logs.HideTokens"},
        "context": {"()": "labeling.server.log_context.AddContext"},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": environment.log_format(),
            "filters": ["hide_tokens", "context"],
        }
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        # uvicorn has set these up by itself: what they say goes the same way, past the filter.
        "uvicorn": {"handlers": [], "propagate": True},
        "uvicorn.access": {"handlers": [], "propagate": True, "level": "INFO"},
        "uvicorn.error": {"handlers": [], "propagate": True, "level": "INFO"},
    },
}
