"""Supervised tasks: a module each, a line each."""

from slyk.tasks.gaze import Gaze

TASKS = {"gaze": Gaze}
