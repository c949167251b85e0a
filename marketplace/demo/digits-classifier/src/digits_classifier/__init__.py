"""Digits classifier: which digit is on this picture?"""
