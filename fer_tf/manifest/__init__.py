"""One table, a row per record: what is kept, in which split, and why the rest is not.

It takes any iterable of `Record`s and knows no file format but its own CSV.
"""
