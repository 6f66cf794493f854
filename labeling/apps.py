from django.apps import AppConfig


class LabelingConfig(AppConfig):
    """One Django app for the whole site; the rooms are folders, not apps (docs/design.md)."""

    name = "labeling"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from labeling.accounts import second_factors  # noqa: F401
        from labeling.accounts import signals as accounts  # noqa: F401 (connects itself)
        from labeling.assignments import signals as assignments  # noqa: F401
        from labeling.gallery import signals as gallery  # noqa: F401
        from labeling.quality_control import signals as quality_control  # noqa: F401
        from labeling.rounds.results import queue_order, shown_proposals  # noqa: F401
        from labeling.server import observing
        from labeling.upkeep import deploy_checks  # noqa: F401
        from labeling.upkeep import signals as upkeep  # noqa: F401

        observing.begin()
