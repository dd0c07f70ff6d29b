"""Anomaly detection: find what is anomalous, and say how sure that is and why."""
