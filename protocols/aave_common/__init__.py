"""What Aave v2 and v3 do in the very same way, so that neither adapter takes it from the other.

`linear` compares weighted collateral with debt, `quotes` finds the prices behind an AaveOracle,
`stored_cells` reads balances and flags of many users at once, `columns` looks at them in a table.
"""
