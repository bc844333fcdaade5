"""Which model for this application, by evidence: servers, rounds, figures, advice, a report."""
