"""Predict what a Calico upgrade will do to a kOps cluster, before anyone runs it."""
