"""What the ways back of several migrations share."""

from django.db.migrations.state import ProjectState


def apps_of_one_state(apps):
    """The models of a migration that is undone, all built from one state.

    Those that Django passes come from two states there, and a deletion that cascades raises an error for them.
    """
    return ProjectState.from_apps(apps).apps
