"""Runs commands of a repository where they can do no harm. One file per kind of sandbox."""
