"""What every request goes through: connections, bodies, rates, problems, logs, metrics."""
