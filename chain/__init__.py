"""The only room that talks to a node: endpoints, pinned blocks, bulk reads, token names, price feeds."""
