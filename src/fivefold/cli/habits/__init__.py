"""Habits of people who know other servers: their words, and ours for the same."""
