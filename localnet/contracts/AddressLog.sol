// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// A stand-in for Maker's on-chain list of its own addresses (dss-chain-log), which no registry has compiled.
contract AddressLog {
    mapping(bytes32 => address) private known;

    function setAddress(bytes32 key, address value) external {
        known[key] = value;
    }

    function getAddress(bytes32 key) external view returns (address) {
        require(known[key] != address(0), "dss-chain-log/invalid-key");
        return known[key];
    }
}
