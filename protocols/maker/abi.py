"""The functions of Maker's contracts that are read.

Source: makerdao/dss master (vat.sol, spot.sol, jug.sol, dog.sol, clip.sol, join.sol), makerdao/osm
osm.sol, makerdao/dss-cdp-manager DssCdpManager.sol, makerdao/dss-chain-log ChainLog.sol,
makerdao/ilk-registry IlkRegistry.sol, makerdao/proxy-registry ProxyRegistry.sol; the compiled ones
that this was tried on are npm @makerdao/testchain 1.1.33-beta5's.
"""

from __future__ import annotations

from chain.abi import Function

# ChainLog
GET_ADDRESS = Function("getAddress(bytes32)", "address")

# Vat
LIVE = Function("live()", "uint256")
VAT_ILKS = Function(
    "ilks(bytes32)",
    "uint256,"  # Art, wad: all normalised debt
    "uint256,"  # rate, ray
    "uint256,"  # spot, ray
    "uint256,"  # line, rad
    "uint256",  # dust, rad
)
URNS = Function("urns(bytes32,address)", "uint256,uint256")
"""ink, art: wads."""
DAI_OF = Function("dai(address)", "uint256")
"""DAI inside the Vat, rad."""
WARDS = Function("wards(address)", "uint256")

# Spotter, Jug, Dog, manager: what they work for, and their parameters
VAT = Function("vat()", "address")
PAR = Function("par()", "uint256")
SPOTTER_ILKS = Function("ilks(bytes32)", "address,uint256")
"""pip; mat, ray."""
BASE = Function("base()", "uint256")
VOW = Function("vow()", "address")
JUG_ILKS = Function("ilks(bytes32)", "uint256,uint256")
"""duty, ray a second; rho, when the fee was last booked."""
HOLE = Function("Hole()", "uint256")
DIRT = Function("Dirt()", "uint256")
DOG_ILKS = Function("ilks(bytes32)", "address,uint256,uint256,uint256")
"""clip; chop, wad; hole, dirt: rads."""

# Clipper
STOPPED = Function("stopped()", "uint256")
BUF = Function("buf()", "uint256")

# Pips: DSValue, and the OSM with its public timetable
PEEK = Function("peek()", "bytes32,bool")
HOP = Function("hop()", "uint16")
ZZZ = Function("zzz()", "uint64")
SRC = Function("src()", "address")

# Joins and the registry of ilks
ILK = Function("ilk()", "bytes32")
GEM = Function("gem()", "address")
DAI = Function("dai()", "address")
LIST = Function("list()", "bytes32[]")
GEM_OF = Function("gem(bytes32)", "address")
DEC = Function("dec()", "uint256")
DEC_OF = Function("dec(bytes32)", "uint256")

# CDP manager
CDPI = Function("cdpi()", "uint256")
COUNT = Function("count(address)", "uint256")
FIRST = Function("first(address)", "uint256")
NEXT = Function("list(uint256)", "uint256,uint256")
"""The cdp before and the one after in its owner's list."""
CDP_URN = Function("urns(uint256)", "address")
CDP_ILK = Function("ilks(uint256)", "bytes32")
CDP_OWNER = Function("owns(uint256)", "address")

# ProxyRegistry
PROXIES = Function("proxies(address)", "address")
