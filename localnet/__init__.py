"""A local chain with the protocols' genuine contracts on it.

What the demo, the tests and the benchmarks run on. Nothing here is needed to check a real
wallet: contracts and the node come from the package registries at run time, through the
ordinary clients, pinned by version and hash, and are kept in the user's cache only.
"""
