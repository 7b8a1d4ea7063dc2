"""The only room that talks to a node: endpoints, pinned blocks, bulk reads, token names, price feeds.

    rpc = Rpc.open("ethereum", urls, chain_id=1)         # rpc.py: failover, retries, rate limits, chain id
    block = pin(rpc, "latest")                           # block.py: the one place that says "latest"
    reader = Reader(rpc, block)                          # reader.py: many calls at that block
    answers = reader.read([Call(token, BALANCE_OF, (owner,))])  # tuples, or `Unread` with its reason
    tokens, feeds = TokenCache().read(reader, ...), read_feeds(reader, ...)
    assert still_canonical(rpc, block)                   # at the end of a check

From the inside out: endpoint (a URL and its secrets), transport (one bounded HTTP post), answers (what a
node's errors mean), node (a turn at one endpoint), rpc (all endpoints), means (bulk calls by what a node
can do: program, multicall, batches), reader.
"""
