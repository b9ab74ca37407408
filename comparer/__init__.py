"""Pairs the answers of two versions to the same requests, and counts how often they differ."""
