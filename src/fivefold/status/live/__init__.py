"""The live page: what every process, thread and connection does now, for people who look on."""
