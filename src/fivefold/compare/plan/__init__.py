"""What is measured: contenders, scenarios, targets, and how long."""
