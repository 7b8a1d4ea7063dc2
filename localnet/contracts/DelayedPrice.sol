// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// A stand-in for Maker's oracle security module: the same reading interface, access rules and storage.
/// No registry has the genuine one compiled.
contract DelayedPrice {
    mapping(address => uint256) public wards;
    uint256 public stopped;
    address public src;
    uint16 public hop = 3600;
    uint64 public zzz;

    struct Price {
        uint128 val;
        uint128 has;
    }

    /// Storage slots 3 and 4: keepers read them there, since the views are for the listed only.
    Price private cur;
    Price private nxt;
    mapping(address => uint256) public bud;

    constructor(address src_) {
        src = src_;
        wards[msg.sender] = 1;
    }

    modifier toll() {
        require(bud[msg.sender] == 1, "OSM/contract-not-whitelisted");
        _;
    }

    function kiss(address who) external {
        bud[who] = 1;
    }

    /// What the genuine one takes from its source an hour apart.
    function set(uint128 current, uint128 next, bool has) external {
        cur = Price(current, has ? 1 : 0);
        nxt = Price(next, 1);
        zzz = uint64(block.timestamp - (block.timestamp % hop));
    }

    function void() external {
        cur = nxt = Price(0, 0);
        stopped = 1;
    }

    function peek() external view toll returns (bytes32, bool) {
        return (bytes32(uint256(cur.val)), cur.has == 1);
    }

    function peep() external view toll returns (bytes32, bool) {
        return (bytes32(uint256(nxt.val)), nxt.has == 1);
    }
}
